/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads the TCP sockets of a network namespace by NETLINK_SOCK_DIAG, which ss(8) also uses. That
 * needs no privilege. See sock_diag(7).
 *
 * Ports are in host order, addresses in network order. A v4-mapped address is given as IPv4. Times
 * are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPDWELL_SOCKDIAG_H
#define TCPDWELL_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define SOCKDIAG_UNKNOWN UINT64_MAX

/* All states that a dump may ask for. Sockets in CLOSE are in no table. */
#define SOCKDIAG_STATES (((1U << TCPDWELL_STATE_MAX) - 2) & ~(1U << TCPDWELL_CLOSE))

/* The timer that runs: idiag_timer. */
enum sockdiag_timer {
	SOCKDIAG_TIMER_NONE = 0,
	SOCKDIAG_TIMER_RETRANSMIT = 1, /* also for loss probes and reordering */
	SOCKDIAG_TIMER_KEEPALIVE = 2,
	SOCKDIAG_TIMER_TIMEWAIT = 3,
	SOCKDIAG_TIMER_PROBE = 4, /* for a window that is zero */
};

struct sockdiag_socket {
	uint64_t read_ns; /* when the kernel was asked */
	uint64_t left_ns; /* left of the running timer, 0: none; in TIME_WAIT, left of it */
	/* Time before read_ns, in ticks of the kernel (struct tcp_info), or SOCKDIAG_UNKNOWN. */
	uint64_t sent_ns;     /* since the last segment with data was sent */
	uint64_t received_ns; /* since the last one was received */
	uint64_t acked_ns;    /* since the last ACK was received */
	uint64_t cookie;      /* the socket's identity */
	uint32_t inode;	      /* of the socket's file; 0: it has neither file nor descriptor */
	uint32_t uid;
	uint32_t queued; /* of a listener: connections that wait for accept(), and their limit */
	uint32_t queue_max;
	uint32_t unread_bytes;	/* of others: bytes that the process has not read */
	uint32_t unacked_bytes; /* and bytes that the peer has not acknowledged */
	uint32_t drops;		/* of a listener: SYNs and connections dropped since it listens */
	uint64_t rto_ns;	/* of struct tcp_info; 0: not known */
	uint32_t total_retransmits;
	uint32_t interface;  /* that it is bound to; 0: none */
	uint8_t timer;	     /* enum sockdiag_timer */
	uint8_t retransmits; /* of the segment that the timer sends again */
	uint8_t probes;	     /* unanswered probes of a zero window or of keep-alive */
	uint8_t backoff;
	bool full;	/* neither a request nor a timewait socket; these two have no user */
	bool v6only;	/* of a listener: IPV6_V6ONLY is set, so :: does not mean 0.0.0.0 as well */
	uint8_t state;	/* enum tcpdwell_state */
	uint8_t family; /* 4 or 6 */
	uint16_t lport;
	uint16_t rport;
	uint8_t laddr[16]; /* IPv4 takes the first four bytes, the rest is zero */
	uint8_t raddr[16];
};

/* @socket is valid only during the call. Returns 0 to go on, or -errno, which ends the dump. */
typedef int sockdiag_visit(void *context, const struct sockdiag_socket *socket);

/* Makes a socket for sockdiag_dump() in the calling thread's namespace. Returns it or -errno. */
int sockdiag_open(void);

/*
 * Does the same as sockdiag_each() for the namespace that @fd was opened in, wherever the thread is
 * now.
 */
int sockdiag_dump(int fd, uint16_t states, sockdiag_visit *visit, void *context);

/*
 * Does the same, without what struct tcp_info and the memory of a socket tell. To count sockets
 * this way is cheaper, and locks none of them.
 */
int sockdiag_dump_brief(int fd, uint16_t states, sockdiag_visit *visit, void *context);

/*
 * Visits the sockets of the calling thread's namespace whose state is in @states, a mask of state
 * numbers. Listeners come before the others. Returns 0, what a visit returned, or -errno of the
 * kernel.
 */
int sockdiag_each(uint16_t states, sockdiag_visit *visit, void *context);

/* The ends of one socket; IPv4 takes the first four bytes of an address. */
struct sockdiag_ends {
	uint8_t family; /* 4 or 6 */
	uint16_t lport;
	uint16_t rport;
	uint32_t interface; /* that it is bound to; 0: none */
	uint8_t laddr[16];
	uint8_t raddr[16];
};

/* The most sockets that one call asks for. */
#define SOCKDIAG_TOUCHED 64

/*
 * Asks for each of @count sockets by itself, at most SOCKDIAG_TOUCHED. That takes no pass over a
 * table, and the kernel gives these sockets cookies. Nobody reads the answers, so @fd is of no use
 * afterwards but for more of these calls. Returns 0, or -errno of a request that could not be made.
 */
int sockdiag_touch(int fd, const struct sockdiag_ends *ends, size_t count);

/*
 * Visits the sockets in @len bytes of an answer that was read at @read_ns. Returns 1 if the answer
 * ends there, 0 if more is to come, or -errno. @data is aligned for 64-bit numbers.
 */
int sockdiag_parse(const void *data, size_t len, uint64_t read_ns, sockdiag_visit *visit,
		   void *context);

#endif /* TCPDWELL_SOCKDIAG_H */
