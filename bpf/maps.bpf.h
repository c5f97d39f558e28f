/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that no noun has alone, and the counters that live in one of them; each other map stands
 * beside its noun.
 *
 * The loader sets the sizes that depend on the host; those here only let the object be loaded by
 * other means.
 */
#ifndef TCPDWELL_MAPS_BPF_H
#define TCPDWELL_MAPS_BPF_H

#include "config.bpf.h"
#include "sock.bpf.h"

/* Wakes who makes tables and places. Nothing is ever in it. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} doorbell SEC(".maps");

static __always_inline void doorbell_ring(void)
{
	void *nothing = cfg_doorbell ? bpf_ringbuf_reserve(&doorbell, sizeof(__u64), 0) : NULL;

	if (nothing)
		bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/* Alone on a cache line, which seldom changes. */
struct {
	volatile __u32 current;			    /* new connections go into this one */
	volatile __u32 spread;			    /* there may be connections in others, too */
	__u64 full_ns;				    /* when last there was no room in any */
	volatile __u8 wanted[TCPDWELL_RECENT_MAPS]; /* of recent: those that were asked for */
	__u32 pad[20];
} tables __attribute__((aligned(128)));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

/*
 * Where there are many CPUs, records go into one of these, and "ring" only wakes the reader: the
 * lock of one ring would keep all of them waiting (tools/bench/cores_model.py). A connection's all
 * go into the same one, so their order is kept, and those of connections that one CPU opens one
 * after the other do, too: the ring's lines seldom go from CPU to CPU.
 */
struct records {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TCPDWELL_RINGS);
	__type(key, __u32);
	__array(values, struct records);
} rings SEC(".maps"); /* user space makes them (user/kernel/rings.c) */

/* The ring of the connection that has the identity @id, a cookie that a CPU took from its batch. */
static __always_inline void *ring_of(__u64 id)
{
	__u32 number = id / TCPDWELL_RECENT_PLACES % TCPDWELL_RINGS & (cfg_rings - 1);

	return bpf_map_lookup_elem(&rings, &number);
}

/* Room for a record of that connection, NULL: there is none. */
static __always_inline void *ring_reserve(__u64 id, const __u64 bytes)
{
	void *records;

	if (cfg_rings == 1)
		return bpf_ringbuf_reserve(&ring, bytes, 0);
	records = ring_of(id);
	return records ? bpf_ringbuf_reserve(records, bytes, 0) : NULL;
}

/* Bytes that the reader has not read of that ring. */
static __always_inline __u64 ring_pending(__u64 id)
{
	void *records;

	if (cfg_rings == 1)
		return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	records = ring_of(id);
	return records ? bpf_ringbuf_query(records, BPF_RB_AVAIL_DATA) : 0;
}

/* One element a CPU. Mapped into user space, which reads it without a system call. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpdwell_counters);
} counters SEC(".maps");

/* A child that the last ACK of a handshake has just cloned from its listener, on this CPU. */
struct child {
	__u64 sock;
	__u64 listener;
	__u64 time_ns;
	__u64 request; /* the request that it completes, 0: none was seen */
	__u64 syn_ns;  /* when that was hashed */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct child);
} children SEC(".maps");

/* Children by address, up to their first transition (young.bpf.h). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct lifecycle);
} young SEC(".maps");

/*
 * Set by the reader before it sleeps without a time limit: the next record wakes it, whatever is
 * pending. Alone on its cache line, which is read on the path of each row.
 */
struct {
	__u32 reader_sleeps;
	__u32 flooding; /* there is something in floods */
	__u32 live;	/* every program is attached: what the tracepoint tells is the whole */
	__u32 young;	/* there may be something in young */
	__u32 marks;	/* of requests that are over, in connections */
	__u32 scanning; /* the snapshot runs, and may remember what is being born */
	__u32 deferred; /* some connection has waited for its local port, or does */
	__u64 early_ns; /* until then requests may be known before they prove slow */
	__u32 over;	/* lives: what goes on is told for the last time; nothing begins any more */
	__u32 pad[21];
} shared __attribute__((aligned(128)));

/* Connections that were found in another state than they were left in, or gone. */
__u64 gaps;

/* Counts the runs of the snapshot, from 1; set by user space before each. */
__u32 snapshot_round;

/* Connections whose bytes found no room in the sums. */
__u64 carried_lost;

/* Where rows are sent and summed: those that found no room among the sums. */
__u64 sums_lost;

/* When this run began, CLOCK_MONOTONIC; likewise. */
__u64 snapshot_began_ns;

/* Runs of the flush. */
static __u32 flush_runs;

/* What a part of the flush answers, beside TCPDWELL_FLUSH_WAITING. */
#define FLUSH_DONE 4 /* no row waits */

/* Items of each kind that one run looks at: it must end, and soon. */
#define FLUSH_ITEMS 128

/* Where the kernel gives no map of counters. */
struct tcpdwell_counters counters_shared;

/* This CPU's counters; NULL only if the loader gave the map too few elements. */
static __always_inline struct tcpdwell_counters *counters_here(void)
{
	__u32 cpu;

	if (!cfg_counters)
		return &counters_shared;
	cpu = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&counters, &cpu);
}

/*
 * Programs nest on one CPU, a softirq's in that of a system call, so a plain increment could lose
 * one. The line is this CPU's own: an atomic add on it costs a few nanoseconds.
 */
static __always_inline void count(__u64 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline void uncount(__u64 *counter)
{
	__sync_fetch_and_add(counter, -1);
}

#endif /* TCPDWELL_MAPS_BPF_H */
