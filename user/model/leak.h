/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections of one process that stay in a state in which they should not: how many, how old,
 * behind which descriptors, to whom. Pure, one thread at a time.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPDWELL_LEAK_H
#define TCPDWELL_LEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ages.h"
#include "model/leak_tracks.h"
#include "model/sockets.h"
#include "host/stacks.h"

/* Remote addresses, local ports and further holders that are named, most first. */
#define LEAKS_TOP 5

enum leak_verdict {
	LEAK_LEAKS,	  /* they stay, and none of the kind was closed */
	LEAK_QUEUE,	  /* they wait for an accept() that does not come */
	LEAK_ORPHANED,	  /* no process has them: the kernel waits for the peer */
	LEAK_SLOW,	  /* they stay long, and are closed */
	LEAK_UNANSWERED,  /* the peer owes an answer: to a SYN, a SYN-ACK, a FIN */
	LEAK_HALF_CLOSED, /* FIN_WAIT2 of a process that waits for the peer's FIN */
	LEAK_AT_WORK,	  /* one side has closed, and the other goes on sending */
	LEAK_IDLE,	  /* ESTABLISHED, LISTEN: a long life is no fault */
	LEAK_TIMEWAIT,	  /* nor is TIME_WAIT */
	LEAK_VERDICTS,	  /* how many there are */
};

struct leak_end {
	uint8_t family;
	uint8_t addr[16];
	uint16_t port;
	uint8_t side; /* of a service's port: enum service_side, whose end has it */
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
	uint32_t pid; /* 0: nobody, or, unless they are orphaned, nobody who can be seen */
	uint8_t state;
	bool queued; /* wait in an accept queue of pid's */
	char comm[TCPDWELL_COMM_LEN];
	/* Who alone can receive them, as they are in flight; 0: they are not, or nobody. */
	uint32_t receiver;
	char receiver_comm[TCPDWELL_COMM_LEN];
	size_t fixed; /* of count: without a descriptor, in an io_uring of pid's */

	size_t count;	/* as old as was asked for */
	size_t perhaps; /* perhaps as old: what is known of their ages are bounds around it */
	size_t younger; /* not yet */
	struct ages
		ages; /* of those that are as old; of those that are perhaps, if there is none */

	struct leak_range *ranges; /* of descriptors, ascending */
	size_t range_count;
	struct leak_end peers[LEAKS_TOP];
	size_t peer_count;
	struct leak_end lports[LEAKS_TOP];
	size_t lport_count;
	struct leak_end ports[LEAKS_TOP]; /* of the services; 0: it is not known which end is one */
	size_t port_count;
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

/*
 * How long a socket has been in its state; in ESTABLISHED, where a long life is no fault, how long
 * it has been idle.
 */
struct age leak_age(const struct socket_seen *socket, uint64_t now_ns);

/* A socket, for how long it has been as it is, and which end of it is the service. */
struct leak_sample {
	uint8_t side; /* enum service_side */
	struct age age;
	enum age_class class;
	bool at_work;	   /* half closed, and data goes on */
	uint32_t receiver; /* the process, 0: none is known */
	const struct socket_seen *socket;
};

/*
 * Answers where a socket was connected or accepted, NULL with @none set if that is not known. Equal
 * stacks are the same pointer, valid as long as the leaks.
 */
typedef const struct stack *leak_stack_of(void *context, const struct tcpdwell_socket *socket,
					  enum stack_none *none);

/*
 * What @count samples of @sockets have in common: all of one process, in one state, of one class,
 * at work or not. @stack_of is NULL if nobody asks. Returns 0, or -ENOMEM; either way the caller
 * must call leak_forget(). The verdict is that of one look.
 */
int leak_describe(struct leak *leak, const struct sockets *sockets,
		  const struct leak_sample *samples, size_t count, leak_stack_of *stack_of,
		  void *stack_context);

/* Whether it is, or may be, wrong. */
bool leak_is_wrong(const struct leak *leak);

/* Frees what the leak has. */
void leak_forget(struct leak *leak);

/* What was seen of it since @start_ns, until @now_ns, and the verdict that follows. */
void leak_describe_past(struct leak *leak, const struct leak_track *track, uint64_t start_ns,
			uint64_t now_ns);

/* When @leak's process has used up its descriptors at this rate: seconds, 0 if never or unknown. */
uint64_t leak_limit_s(const struct leak *leak, uint64_t fds, uint64_t fd_limit);

#endif /* TCPDWELL_LEAK_H */
