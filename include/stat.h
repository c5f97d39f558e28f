/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The elements of the maps in which the kernel side sums for `tcpdwell stat` and `export`. User
 * space reads them.
 *
 * A histogram is spread over elements of 16 buckets each (buckets.h), which is half a power of two.
 * Most dwells of one state lie within a few powers of two, and a range without values takes no
 * memory. Rows of a group whose dwell is only a lower bound are counted in an element of their own.
 *
 * Each processor adds to elements of its own, so that none waits for another. The key holds the
 * number of the processor. A per-CPU map would take memory on all processors for what one has seen,
 * would need 10 us to add an element, and would cause one more cache miss at each row.
 *
 * Numbers are in host byte order. Addresses are in network order, IPv4 addresses as v4-mapped ones.
 */
#ifndef TCPDWELL_STAT_H
#define TCPDWELL_STAT_H

#include "buckets.h"
#include "wire.h"

#define TCPDWELL_STAT_BUCKETS 16
#define TCPDWELL_STAT_CHUNKS  (BUCKETS / TCPDWELL_STAT_BUCKETS)

/*
 * In place of a chunk: the element counts, in its first bucket, rows whose dwell is a lower bound.
 */
#define TCPDWELL_STAT_AT_LEAST 0xff

/*
 * In place of a chunk: the element counts rows that end a connection and whose last dwell is
 * unknown.
 */
#define TCPDWELL_STAT_UNDATED 0xfe

/*
 * Where rows are told apart by how the connection ended (`export`), the upper bits of the number
 * hold one more than the reason of a row to CLOSE. They are 0 for all other rows.
 */
#define TCPDWELL_STAT_END_SHIFT	  24
#define TCPDWELL_STAT_NUMBER_MASK ((1U << TCPDWELL_STAT_END_SHIFT) - 1)

/* What makes a group, beside the state that was left. The order is that of the option's choices. */
enum tcpdwell_stat_by {
	TCPDWELL_BY_PROCESS,
	TCPDWELL_BY_COMM,
	TCPDWELL_BY_PORT, /* the service's (service.h), 0: not known */
	TCPDWELL_BY_LPORT,
	TCPDWELL_BY_RPORT,
	TCPDWELL_BY_PREFIX, /* of the remote address */
	TCPDWELL_BY_CGROUP,
	TCPDWELL_BY_STATE, /* nothing but the state */
	TCPDWELL_BY_NETNS, /* `export` alone: the namespace's inode in the first word */
	/* User space makes these groups out of cgroups; the kernel side does not know them. */
	TCPDWELL_BY_UNIT,
	TCPDWELL_BY_CONTAINER,
	TCPDWELL_BY_POD,
};

/* Values that stand in place of the state that was left. */
enum tcpdwell_stat_state {
	TCPDWELL_STAT_CONNECTED = TCPDWELL_STATE_MAX, /* SYN_SENT that led to ESTABLISHED */
	TCPDWELL_STAT_COMPLETED,		      /* likewise for SYN_RECV */
	TCPDWELL_STAT_ACCEPT,			      /* time from ESTABLISHED to accept() */
	TCPDWELL_STAT_HANDSHAKE, /* the first two together; user space adds them up */
	TCPDWELL_STAT_STATES,
	/* For `export`: not a state, but what connections carried, in the counts of chunk 0. */
	TCPDWELL_STAT_CARRIED = TCPDWELL_STAT_STATES,
};

/* What each of the counts of TCPDWELL_STAT_CARRIED means. */
enum tcpdwell_carried {
	TCPDWELL_CARRIED_SENT, /* bytes of data, each once */
	TCPDWELL_CARRIED_RECEIVED,
	TCPDWELL_CARRIED_AGAIN, /* segments that were retransmitted */
};

/* The key is compared and hashed as bytes, so unused bytes are zero. */
struct tcpdwell_stat_key {
	__u8 state; /* the state that was left, or enum tcpdwell_stat_state */
	__u8 chunk; /* number of a chunk of buckets, or TCPDWELL_STAT_AT_LEAST or _UNDATED */
	__u16 cpu;
	__u32 number; /* PID or port, and above it how the connection ended */
	union {
		char comm[TCPDWELL_COMM_LEN]; /* a name; the bytes after its NUL may be anything */
		__u8 addr[16];
		__u64 cgroup_id;
		__u64 words[2];
	};
};

_Static_assert(sizeof(struct tcpdwell_stat_key) == 24, "a key is 24 bytes");
_Static_assert(TCPDWELL_STAT_CHUNKS <= TCPDWELL_STAT_UNDATED, "a chunk fits its byte");
_Static_assert(TCPDWELL_REASON_MAX < 1U << (32 - TCPDWELL_STAT_END_SHIFT), "a reason fits");

struct tcpdwell_stat {
	__u64 max_ns;
	__u64 counts[TCPDWELL_STAT_BUCKETS];
};

_Static_assert(sizeof(struct tcpdwell_stat) == 136, "a value is 136 bytes");

/* Returns what a row counts as. Handshakes that complete are told from those that do not. */
BUCKETS_FN __u32 stat_state(__u8 from, __u8 to)
{
	if (to == TCPDWELL_ESTABLISHED && from == TCPDWELL_SYN_SENT)
		return TCPDWELL_STAT_CONNECTED;
	if (to == TCPDWELL_ESTABLISHED && from == TCPDWELL_SYN_RECV)
		return TCPDWELL_STAT_COMPLETED;
	return from;
}

/* Returns the chunk that counts rows whose dwell is not exact; @dwell is enum tcpdwell_dwell. */
BUCKETS_FN __u8 stat_chunk(__u32 dwell)
{
	return dwell == TCPDWELL_DWELL_UNKNOWN ? TCPDWELL_STAT_UNDATED : TCPDWELL_STAT_AT_LEAST;
}

#endif /* TCPDWELL_STAT_H */
