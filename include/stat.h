/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `tcpdwell stat` and `export` have the kernel side sum: the elements of its maps, which user
 * space reads.
 *
 * A histogram is spread over elements of 16 buckets each (buckets.h), half a power of two: most
 * dwells of one state lie within a few powers, and what lies nowhere takes no memory. The rows of
 * a group whose dwell is only a lower bound are counted in an element of their own.
 *
 * Each processor adds to elements of its own, so that none waits for another. They are told apart
 * by their keys: a map of the per-CPU kind would take memory on all processors for what one has
 * seen, 10 us to add an element, and one more miss of the cache at each row.
 *
 * Host byte order; addresses are in network order, IPv4 as v4-mapped.
 */
#ifndef TCPDWELL_STAT_H
#define TCPDWELL_STAT_H

#include "buckets.h"
#include "wire.h"

#define TCPDWELL_STAT_BUCKETS 16
#define TCPDWELL_STAT_CHUNKS  (BUCKETS / TCPDWELL_STAT_BUCKETS)

/* In the place of a chunk: rows with a lower bound, counted in the first bucket. */
#define TCPDWELL_STAT_AT_LEAST 0xff

/* Likewise: rows that end a connection, of whose last state no dwell is known. */
#define TCPDWELL_STAT_UNDATED 0xfe

/*
 * Where ends are told apart (`export`): of a row to CLOSE, one more than its reason stands above
 * the number, and 0 of all others.
 */
#define TCPDWELL_STAT_END_SHIFT	  24
#define TCPDWELL_STAT_NUMBER_MASK ((1U << TCPDWELL_STAT_END_SHIFT) - 1)

/* What makes a group, beside the state that is left. In the order of the option's choices. */
enum tcpdwell_stat_by {
	TCPDWELL_BY_PROCESS,
	TCPDWELL_BY_COMM,
	TCPDWELL_BY_PORT, /* the service's (service.h), 0: not known */
	TCPDWELL_BY_LPORT,
	TCPDWELL_BY_RPORT,
	TCPDWELL_BY_PREFIX, /* of the remote address */
	TCPDWELL_BY_CGROUP,
	TCPDWELL_BY_STATE, /* nothing else */
	TCPDWELL_BY_NETNS, /* `export` alone: its inode in the first word */
	/* User space makes groups of cgroups for these; the kernel side knows nothing of them. */
	TCPDWELL_BY_UNIT,
	TCPDWELL_BY_CONTAINER,
	TCPDWELL_BY_POD,
};

/* In the place of a state that is left. */
enum tcpdwell_stat_state {
	TCPDWELL_STAT_CONNECTED = TCPDWELL_STATE_MAX, /* SYN_SENT that led to ESTABLISHED */
	TCPDWELL_STAT_COMPLETED,		      /* SYN_RECV likewise */
	TCPDWELL_STAT_ACCEPT,			      /* from ESTABLISHED to accept() */
	TCPDWELL_STAT_HANDSHAKE, /* the first two together; user space counts them so, too */
	TCPDWELL_STAT_STATES,
	/* `export`: not a state, but what connections carried, in the counts of chunk 0. */
	TCPDWELL_STAT_CARRIED = TCPDWELL_STAT_STATES,
};

/* Which of these counts are of what. */
enum tcpdwell_carried {
	TCPDWELL_CARRIED_SENT, /* bytes of data, each once */
	TCPDWELL_CARRIED_RECEIVED,
	TCPDWELL_CARRIED_AGAIN, /* segments that were sent again */
};

/* Compared and hashed as bytes: what is not used is zero. */
struct tcpdwell_stat_key {
	__u8 state; /* that is left, or enum tcpdwell_stat_state */
	__u8 chunk; /* of buckets */
	__u16 cpu;
	__u32 number; /* pid or port, and above it how a connection ended */
	union {
		char comm[TCPDWELL_COMM_LEN]; /* a name; what follows its NUL may be anything */
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

/* What a row counts as: the handshakes that complete are told from those that do not. */
BUCKETS_FN __u32 stat_state(__u8 from, __u8 to)
{
	if (to == TCPDWELL_ESTABLISHED && from == TCPDWELL_SYN_SENT)
		return TCPDWELL_STAT_CONNECTED;
	if (to == TCPDWELL_ESTABLISHED && from == TCPDWELL_SYN_RECV)
		return TCPDWELL_STAT_COMPLETED;
	return from;
}

/* Where rows are counted whose dwell is not exact, by what it is worth (enum tcpdwell_dwell). */
BUCKETS_FN __u8 stat_chunk(__u32 dwell)
{
	return dwell == TCPDWELL_DWELL_UNKNOWN ? TCPDWELL_STAT_UNDATED : TCPDWELL_STAT_AT_LEAST;
}

#endif /* TCPDWELL_STAT_H */
