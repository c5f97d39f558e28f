/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps that belong to no single noun, and the counters in one of them. Every other map stands
 * beside its noun.
 *
 * The loader sets the sizes that depend on the host. The sizes here only serve to load the object
 * by other means.
 */
#ifndef TCPDWELL_MAPS_BPF_H
#define TCPDWELL_MAPS_BPF_H

#include "config.bpf.h"
#include "sock.bpf.h"

/* Wakes the thread that makes tables and slots. It never contains anything. */
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

/* This is alone on a cache line, which seldom changes. */
struct {
	volatile __u32 current; /* new connections go into this table */
	/* There may be connections in other tables, too. */
	volatile __u32 spread;
	__u64 full_ns;				    /* when there was last no room in any table */
	volatile __u8 wanted[TCPDWELL_RECENT_MAPS]; /* maps of recent that were asked for */
	__u32 pad[20];
} tables __attribute__((aligned(128)));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

/*
 * Where there are many CPUs, records go into one of these rings, and "ring" only wakes the reader.
 * The lock of a single ring would keep all CPUs waiting (tools/bench/cores_model.py). All records
 * of a connection go into the same ring, so their order is kept. Records of connections that one
 * CPU opens one after the other also go into the same ring, so the ring's cache lines seldom move
 * from CPU to CPU.
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
} rings SEC(".maps"); /* user space makes the rings (user/kernel/rings.c) */

/*
 * Returns the ring of the connection with the identity @id, which is a cookie that a CPU took from
 * its batch.
 */
static __always_inline void *ring_of(__u64 id)
{
	__u32 number = id / TCPDWELL_RECENT_SLOTS % TCPDWELL_RINGS & (cfg_rings - 1);

	return bpf_map_lookup_elem(&rings, &number);
}

/* Returns room for a record of the connection @id; NULL: there is none. */
static __always_inline void *ring_reserve(__u64 id, const __u64 bytes)
{
	void *records;

	if (cfg_rings == 1)
		return bpf_ringbuf_reserve(&ring, bytes, 0);
	records = ring_of(id);
	return records ? bpf_ringbuf_reserve(records, bytes, 0) : NULL;
}

/* Returns how many bytes of that ring the reader has not read. */
static __always_inline __u64 ring_unread(__u64 id)
{
	void *records;

	if (cfg_rings == 1)
		return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	records = ring_of(id);
	return records ? bpf_ringbuf_query(records, BPF_RB_AVAIL_DATA) : 0;
}

/*
 * One element for each CPU. User space maps it into its memory, and reads it without a system call.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpdwell_counters);
} counters SEC(".maps");

/* The child that the last ACK of a handshake has just cloned from its listener on this CPU. */
struct child {
	__u64 sock;
	__u64 listener;
	__u64 time_ns;
	__u64 request; /* the request that it completes, 0: none was seen */
	__u64 syn_ns;  /* when the SYN-ACK of that was made, see request_syn_ns() */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct child);
} children SEC(".maps");

/* Children by address, until their first transition (young.bpf.h). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct lifecycle);
} young SEC(".maps");

/*
 * State that the programs and the reader share. It is alone on its cache line, which is read for
 * each row.
 */
struct {
	/*
	 * The reader sets this before it sleeps without a time limit. Then the next record wakes
	 * it, however little is unread.
	 */
	__u32 reader_sleeps;
	__u32 flooding; /* there is something in floods */
	__u32 live;	/* every program is attached: the tracepoint tells everything */
	__u32 young;	/* there may be something in young */
	__u32 marks;	/* how many marks of requests that are over are in connections */
	__u32 scanning; /* the snapshot runs, and may remember what is being born */
	__u32 deferred; /* some connection waits for its local port, or has waited */
	/* Requests from before this time may be known although they have not proved slow. */
	__u64 early_ns;
	/*
	 * Where lives are summed, the reader sets this when the run ends. What is still open is
	 * told then, and what begins is not.
	 */
	__u32 over;
	/*
	 * The reader sets this before it looks at listeners for SYN cookies, and looks no more if
	 * it is still set afterwards. Whatever says that cookies may be sent soon clears it.
	 */
	__u32 listeners_rest;
	__u32 pad[20];
} shared __attribute__((aligned(128)));

/*
 * Wakes the reader, which waits for "ring". The note that it sleeps is cleared before: the reader
 * may wake, look and go to sleep again before this function has returned.
 */
static __always_inline void ring_wake(void)
{
	__u64 *nothing = bpf_ringbuf_reserve(&ring, sizeof(*nothing), 0);

	if (!nothing)
		return;
	if (shared.reader_sleeps)
		shared.reader_sleeps = 0;
	bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

/*
 * Wakes a reader that sleeps, for a row in the ring or outside it. It must be called when the row
 * is there. The reader says that it sleeps before it looks for the last time, so one of the two
 * sees the other. The row was put into the ring by an exchange, or into a queue under a lock that
 * the reader must take as well to look.
 */
static __always_inline void wake_reader(void)
{
	if (shared.reader_sleeps)
		ring_wake();
}

/* Has the reader look at listeners again, once a second (cookies.bpf.h). */
static __always_inline void wake_for_listeners(void)
{
	if (!cfg_cookies || !shared.listeners_rest)
		return;
	shared.listeners_rest = 0;
	ring_wake();
}

/* Connections that were found in another state than they were left in, or gone. */
__u64 gaps;

/* The number of the snapshot's run, from 1 on. User space sets it before each run. */
__u32 snapshot_round;

/* Connections of which the bytes found no room in the sums. */
__u64 carried_lost;

/* Where rows are both sent and summed: rows that found no room in the sums. */
__u64 sums_lost;

/* When this run of the snapshot began, in CLOCK_MONOTONIC. User space sets it before each run. */
__u64 snapshot_began_ns;

/* The number of runs of the flush. */
static __u32 flush_runs;

/* What a part of the flush may return besides TCPDWELL_FLUSH_WAITING. */
#define FLUSH_DONE 4 /* no row waits */

/* Items of each kind that one run of the flush looks at, because it must end soon. */
#define FLUSH_ITEMS 128

/* Used where the kernel refuses the map of counters. */
struct tcpdwell_counters counters_shared;

/* Returns this CPU's counters; NULL only if the loader gave the map too few elements. */
static __always_inline struct tcpdwell_counters *counters_here(void)
{
	__u32 cpu;

	if (!cfg_counters)
		return &counters_shared;
	cpu = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&counters, &cpu);
}

/*
 * Adds one to a counter. Programs nest on one CPU (a softirq's in that of a system call), so a
 * plain increment could lose one. The cache line belongs to this CPU, so the atomic add costs a few
 * nanoseconds.
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
