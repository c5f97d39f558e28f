/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections of one process that stay in a state in which they should not: how many, how old,
 * behind which descriptors, to whom. Times are nanoseconds of CLOCK_MONOTONIC. Pure, one thread at
 * a time.
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

/*
 * How many remote addresses, local ports and further holders are named; the most frequent ones
 * first.
 */
#define LEAKS_TOP 5

enum leak_verdict {
	LEAK_LEAKS,	  /* they stay, and none of them was seen to be closed */
	LEAK_QUEUE,	  /* they wait for an accept() that does not come */
	LEAK_ORPHANED,	  /* no process holds them: the kernel waits for the peer */
	LEAK_SLOW,	  /* they stay long, but are closed in the end */
	LEAK_UNANSWERED,  /* the peer owes an answer: to a SYN, a SYN-ACK, a FIN */
	LEAK_HALF_CLOSED, /* FIN_WAIT2: a process waits for the peer's FIN */
	LEAK_AT_WORK,	  /* one side has closed, and the other goes on sending */
	LEAK_IDLE,	  /* ESTABLISHED, LISTEN: a long life is no fault */
	LEAK_TIMEWAIT,	  /* nor is a long TIME_WAIT */
	LEAK_VERDICTS,	  /* how many there are */
};

struct leak_end {
	uint8_t family;
	uint8_t addr[16];
	uint16_t port;
	uint8_t side; /* enum service_side: whose end has the port */
	size_t count;
};

/* A range of descriptors, including both ends. */
struct leak_range {
	uint32_t first;
	uint32_t last;
};

/* Sockets that were connected or accepted by the same call path. */
struct leak_stack {
	const struct stack *stack;
	size_t count;
};

/* The sockets of one process in one state; those not yet accepted are apart. */
struct leak {
	enum leak_verdict verdict;
	uint32_t pid; /* 0: nobody, or, unless orphaned, nobody who can be seen */
	uint8_t state;
	bool queued; /* they wait in an accept queue of pid's */
	bool kernel; /* the kernel made them for itself; pid is 0 */
	char comm[TCPDWELL_COMM_LEN];
	/*
	 * The only process that can receive them, because they are in flight. 0: they are not in
	 * flight, or there is no such process.
	 */
	uint32_t receiver;
	char receiver_comm[TCPDWELL_COMM_LEN];
	size_t fixed; /* of count: no descriptor, but in an io_uring of pid's */

	size_t count;	  /* certainly as old as was asked for */
	size_t perhaps;	  /* perhaps as old: their bounds lie on both sides */
	size_t younger;	  /* certainly younger */
	struct ages ages; /* of the older ones, or, if there are none, of the perhaps older ones */

	struct leak_range *ranges; /* of descriptors, in ascending order */
	size_t range_count;
	struct leak_end peers[LEAKS_TOP];
	size_t peer_count;
	struct leak_end lports[LEAKS_TOP];
	size_t lport_count;
	struct leak_end ports[LEAKS_TOP]; /* of services; 0: it is not known which end is one */
	size_t port_count;
	size_t shared; /* of count: other processes hold them, too */
	uint32_t sharers[LEAKS_TOP];
	size_t sharer_count;
	uint32_t queue_max; /* limit of the fullest accept queue, if queued */

	struct leak_stack *stacks; /* most sockets first; NULL: not asked for */
	size_t stack_count;
	size_t no_stack[STACK_NONE_COUNT]; /* of count, by reason */

	/* Only with --watch. */
	uint64_t watched_ns; /* 0: this is the first look */
	double growth;	     /* of count, per minute */
	bool only_grows;     /* count never shrank, and none was closed */
	uint64_t closed;     /* that the tracer saw leave the state */
	uint64_t close_ns;   /* median of how long those were in it */
};

/*
 * Returns how long a socket has been in its state; for ESTABLISHED, where a long life is no fault,
 * how long it has been idle.
 */
struct age leak_age(const struct socket_seen *socket, uint64_t now_ns);

/* A socket, its age, and which end of it is the service. */
struct leak_sample {
	uint8_t side; /* enum service_side */
	struct age age;
	enum age_class class;
	bool at_work;	   /* half closed, and data still goes */
	uint32_t receiver; /* PID of the process; 0: none is known */
	const struct socket_seen *socket;
};

/*
 * Returns where a socket was connected or accepted, or NULL with @none set if that is not known.
 * Equal stacks are the same pointer, which is valid as long as the leaks.
 */
typedef const struct stack *leak_stack_of(void *context, const struct tcpdwell_socket *socket,
					  enum stack_none *none);

/*
 * Describes what @count samples of @sockets have in common. All are of one process, in one state,
 * of one class, and alike at work or not. @stack_of is NULL if nobody asks for stacks. The verdict
 * is that of a single look. Returns 0 or -ENOMEM; in either case the caller must call
 * leak_forget().
 */
int leak_describe(struct leak *leak, const struct sockets *sockets,
		  const struct leak_sample *samples, size_t count, leak_stack_of *stack_of,
		  void *stack_context);

/* Returns true if something is, or may be, wrong. */
bool leak_is_wrong(const struct leak *leak);

/* Frees what the leak holds. */
void leak_forget(struct leak *leak);

/* Adds what was seen of the leak from @start_ns to @now_ns, and adapts the verdict. */
void leak_describe_past(struct leak *leak, const struct leak_track *track, uint64_t start_ns,
			uint64_t now_ns);

/*
 * Returns in how many seconds the process of @leak will have used up its descriptors at this rate;
 * 0: never, or not known.
 */
uint64_t leak_limit_s(const struct leak *leak, uint64_t fds, uint64_t fd_limit);

#endif /* TCPDWELL_LEAK_H */
