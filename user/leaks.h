/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who leaves connections in a state in which they should not stay: snapshots and the rows of what
 * was closed go in, a list of offenders and a verdict on each come out. Pure, one thread at a time.
 *
 * A verdict says no more than what was seen. One snapshot shows how many there are and how old;
 * what grows, and what is closed after all, shows only while it watches.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. Memory follows the sockets found and, for what was
 * closed, the processes that close: 16 KiB each, of at most LEAKS_TRACKS.
 */
#ifndef TCPDWELL_LEAKS_H
#define TCPDWELL_LEAKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sockets.h"
#include "stacks.h"

struct filters;

/* Processes whose past is kept. */
#define LEAKS_TRACKS 1024

/* Remote addresses, local ports and further holders that are named, most first. */
#define LEAKS_TOP 5

/* Growth and "none closed" look back this far at the most. */
#define LEAKS_PAST_NS (600ULL * 1000000000)

enum leak_verdict {
	LEAK_LEAKS,    /* they stay, and none of the kind was closed */
	LEAK_QUEUE,    /* they wait for an accept() that does not come */
	LEAK_ORPHANED, /* no process has them: the kernel waits for the peer */
	LEAK_SLOW,     /* they stay long, and are closed */
};

struct leak_end {
	uint8_t family;
	uint8_t addr[16];
	uint16_t port;
	size_t count;
};

/* Descriptors, both ends included. */
struct leak_range {
	uint32_t first;
	uint32_t last;
};

/* Sockets that were connected or accepted by the same way through the code. */
struct leak_stack {
	const struct stack *stack;
	size_t count;
};

/* The sockets of one process, in one state, accepted or not. */
struct leak {
	enum leak_verdict verdict;
	uint32_t pid; /* 0: nobody */
	uint8_t state;
	bool queued; /* wait in an accept queue of pid's */
	char comm[TCPDWELL_COMM_LEN];
	uint32_t uid;
	uint64_t cgroup_id;

	size_t count;	/* as old as was asked for */
	size_t younger; /* not yet */
	uint64_t oldest_ns;
	uint64_t median_ns;
	uint8_t oldest; /* enum tcpdwell_dwell */
	uint8_t median;

	struct leak_range *ranges; /* of descriptors, ascending */
	size_t range_count;
	struct leak_end peers[LEAKS_TOP];
	size_t peer_count;
	struct leak_end lports[LEAKS_TOP];
	size_t lport_count;
	size_t shared; /* of count: others hold them too */
	uint32_t sharers[LEAKS_TOP];
	size_t sharer_count;
	uint32_t queue_max; /* limit of the fullest accept queue, if queued */

	struct leak_stack *stacks; /* most sockets first; NULL: not asked for */
	size_t stack_count;
	size_t no_stack[STACK_NONE_COUNT]; /* of count */

	/* While it watches. */
	uint64_t watched_ns; /* 0: this is the first look */
	double growth;	     /* of count, a minute */
	bool only_grows;     /* it never shrank, and none was closed */
	uint64_t closed;     /* that left the state under the tracer */
	uint64_t close_ns;   /* how long those were in it, median */
};

struct leaks;

/* @states is a mask. Returns NULL with errno set if there is no memory. The caller frees it. */
struct leaks *leaks_new(uint16_t states, uint64_t older_ns);

/* NULL-safe. */
void leaks_free(struct leaks *leaks);

/*
 * Answers where a socket was connected or accepted, NULL with @none set if that is not known. Equal
 * stacks are the same pointer, valid as long as the leaks.
 */
typedef const struct stack *leak_stack_of(void *context, const struct tcpdwell_socket *socket,
					  enum stack_none *none);

/* Asks @of about each socket that leaks. */
void leaks_set_stacks(struct leaks *leaks, leak_stack_of *of, void *context);

/* A row of the stream. */
void leaks_event(struct leaks *leaks, const struct tcpdwell_transition *t);

/*
 * Takes a snapshot that was complete at @now_ns; of it what @filters want, whose states are not
 * looked at. Returns 0 or -errno. The list is valid until the next call.
 */
int leaks_look(struct leaks *leaks, const struct sockets *sockets, const struct filters *filters,
	       uint64_t now_ns);

/* The offenders, worst first. */
size_t leaks_count(const struct leaks *leaks);
const struct leak *leaks_at(const struct leaks *leaks, size_t i);

/* Sockets in the states that are not old enough to count. */
size_t leaks_younger(const struct leaks *leaks);

/* Whether something is wrong: any verdict but LEAK_SLOW. */
bool leaks_found(const struct leaks *leaks);

/*
 * How long a socket has been in its state; in ESTABLISHED, where a long life is no fault, how long
 * it has been idle.
 */
uint64_t leak_age_ns(const struct socket_seen *socket, uint64_t now_ns, uint8_t *worth);

/* When @leak's process has used up its descriptors at this rate: seconds, 0 if never or unknown. */
uint64_t leak_limit_s(const struct leak *leak, uint64_t fds, uint64_t fd_limit);

#endif /* TCPDWELL_LEAKS_H */
