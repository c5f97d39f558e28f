/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps, and the counters that live in one of them.
 *
 * The loader sets the sizes that depend on the host; those here only let the object be loaded by
 * other means.
 */
#ifndef TCPDWELL_MAPS_BPF_H
#define TCPDWELL_MAPS_BPF_H

#include "config.bpf.h"
#include "sock.bpf.h"

/*
 * Connections by what identifies them: the socket cookie, or the socket's address where the kernel
 * has no helper for the cookie. Elements are not allocated ahead, but buckets are: there are small
 * tables at first, and user space makes larger ones as they are needed (table.bpf.h).
 */
struct table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct lifecycle);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TCPDWELL_TABLES);
	__type(key, __u32);
	__array(values, struct table);
} connections SEC(".maps");

/*
 * What connections in the tables did so far, by the same key: as many tables, each of the same size
 * (life.bpf.h).
 */
struct lives {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct tcpdwell_life);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TCPDWELL_TABLES);
	__type(key, __u32);
	__array(values, struct lives);
} lives SEC(".maps");

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

/*
 * Places for the connections of recent sockets, which are looked at before the tables. The low bits
 * of the cookie choose the place. A CPU gives out cookies one after the other, so its connections
 * have neighbouring places, and to insert, find or delete one takes no lock, allocates nothing and
 * touches a cache line that was just used. A connection whose place is taken goes into a table.
 *
 * The flag that lets user space map the array is set for one reason: the kernel then lets the
 * values begin at a page, so that each place is exactly one cache line. Nobody maps it.
 */
struct places {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TCPDWELL_RECENT_PLACES);
	__type(key, __u32);
	__type(value, struct lifecycle);
};

/* Where lives are summed the loader makes places larger: there the sum is behind the connection. */
struct place {
	struct lifecycle l;
	struct tcpdwell_life life;
};

/* User space makes them when sockets come that would have a place there (recent.bpf.h). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TCPDWELL_RECENT_MAPS);
	__type(key, __u32);
	__array(values, struct places);
} recent SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

/* One element a CPU. Mapped into user space, which reads it without a system call. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpdwell_counters);
} counters SEC(".maps");

/*
 * Connections in SYN_SENT whose first row waits for the local port: a ring of their keys, as they
 * began. Most have their port within a round trip, and say so here: the flush need not look for
 * them. What a queue has cannot be taken back, and costs a lock.
 */
#define DEFERRED_PLACES 16384
#define DEFERRED_SPARE	1024  /* for those that ask at the same moment, two on a CPU */
#define DEFERRED_OVER	~0ULL /* instead of a key; 0 is a place that was taken and not yet filled */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DEFERRED_PLACES);
	__type(key, __u32);
	__type(value, __u64);
} deferred SEC(".maps");

/* Both count up. Only the flush moves the oldest. */
static struct {
	__u64 next;
	__u64 oldest;
} deferred_ends __attribute__((aligned(128)));

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
 * The sockets whose event the first program at the tracepoint took on this CPU and the second one
 * did not look at yet (nested.bpf.h): of a task, and of a softirq that came upon it.
 */
struct taken {
	__u64 by_task;
	__u64 by_softirq;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct taken);
} taken_events SEC(".maps");

/* by_task where a task may lose its CPU; the loader makes it one element elsewhere. */
#define TASK_MARKS 65536

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TASK_MARKS);
	__type(key, __u32);
	__type(value, __u64);
} taken_by_task SEC(".maps");

/* Requests that were hashed and may turn out to be slow, oldest first. */
struct pending_request {
	__u64 request;
	__u64 time_ns;
	__u32 isn; /* of the SYN: tells a request from the next one at its address */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16384);
	__type(value, struct pending_request);
} requests SEC(".maps");

/* Their timers, where those are what tells of them. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpdwell_timers);
} request_timers SEC(".maps");

/* A request whose timer runs out on this CPU: what is to be said if it does not survive. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dying_request);
} dying_requests SEC(".maps");

/* The last RST of this CPU that answered a segment: when, and for which socket. */
struct reset {
	__u64 ns;
	__u64 sock;
	__be16 rport; /* the segment came from there: its header begins with it */
	__u16 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reset);
} resets SEC(".maps");

/* Timewait sockets born in FIN_WAIT2, to be asked whether they flipped; keys of connections. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16384);
	__type(value, __u64);
} orphans SEC(".maps");

/* Timewait sockets whose timer was taken off early, oldest first. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8192);
	__type(value, struct parked_tw);
} parked SEC(".maps");

/* What this CPU last saw of timewait sockets. */
struct tw_slot {
	__u64 processed;  /* one that a segment came for */
	__u64 syn;	  /* one that a SYN is about to reuse */
	__u64 reset;	  /* one that is about to end by a reset of ours */
	__u64 parked_key; /* the last one parked */
	__u32 parked_hash;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tw_slot);
} tw_slots SEC(".maps");

/* Slow and dropped requests that this CPU met in the second that began at second_ns. */
struct request_rate {
	__u64 second_ns;
	__u64 met;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct request_rate);
} request_rates SEC(".maps");

/* Floods by local port, since the reader last took them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPDWELL_FLOODS);
	__type(key, __u32);
	__type(value, struct tcpdwell_flood);
} floods SEC(".maps");

/*
 * Children in accept queues by address, and their listener's key, while the snapshot runs; emptied
 * after it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} queued SEC(".maps");

/*
 * The descriptors of MPTCP that lead to a TCP socket, by its address, while the snapshot runs;
 * emptied after it, where the process still may. Of a connection the first TCP sockets are looked
 * at, the first descriptors of each are kept.
 */
#define SUBFLOWS	8
#define SUBFLOW_HOLDERS 4

struct subflow_holders {
	__u32 count;
	__u32 pids[SUBFLOW_HOLDERS];
	__u32 fds[SUBFLOW_HOLDERS];
	__u32 round; /* of the snapshot: what an earlier one noted says nothing */
	__u64 leaders[SUBFLOW_HOLDERS];
	__u64 tables[SUBFLOW_HOLDERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct subflow_holders);
} subflows SEC(".maps");

/*
 * Where connections were connected or accepted, by the key that they have in connections, and as
 * long as they are there.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct tcpdwell_stack);
} stacks SEC(".maps");

/* What the snapshot found by descriptor, by inode of the network namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCPDWELL_NAMESPACES);
	__type(key, __u32);
	__type(value, struct tcpdwell_namespace);
} namespaces SEC(".maps");

/* Thread groups that -p names, or that descend from the program after --. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} pids SEC(".maps");

/* Prefixes of --addr. IPv4 stands as v4-mapped, so one trie serves both families. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct tcpdwell_prefix);
	__type(value, __u8);
} prefixes SEC(".maps");

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
	__u32 pad[22];
} shared __attribute__((aligned(128)));

/* Transitions that the second program told. */
__u64 nested_told;

/* Connections that were found in another state than they were left in, or gone. */
__u64 gaps;

/* Requests among them: something was shown of each. */
__u64 requests_gone;

/* The second of struct tcpdwell_timers that it was when the flush ran last. */
__u32 timer_second;

/* Stacks that found no room. */
__u64 stacks_missed;

/* Counts the runs of the snapshot, from 1; set by user space before each. */
__u32 snapshot_round;

/* There may be something in subflows. */
__u32 subflows_noted;

/* When this run began, CLOCK_MONOTONIC; likewise. */
__u64 snapshot_began_ns;

/*
 * When a socket entered its state, and when data last went through it. The one thread that reads
 * the iterators is alone with it.
 */
struct {
	__u64 state[2]; /* latest and earliest, as in struct bounds */
	__u64 active[2];
} snapshot_times;

/* What it waits for, and its options; the same. */
struct tcpdwell_detail snapshot_detail;

/* A record on its way to that thread: too large for the stack. */
struct tcpdwell_socket snapshot_record;

/*
 * What the flush took from its queues and found too young: to take it is cheaper than to look at it
 * and take it later. Nothing but the flush writes these, and one reader runs it. Static, so that
 * the skeleton, which does not know the types, leaves it out.
 */
static struct {
	struct pending_request request;
	struct parked_tw parked;
} oldest;

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
