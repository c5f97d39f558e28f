/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The TCP sockets of a network namespace by NETLINK_SOCK_DIAG, which ss(8) uses too: no privilege
 * is asked for. See sock_diag(7).
 *
 * Ports are in host order, addresses in network order; a v4-mapped address is given as IPv4. Times
 * are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TCPDWELL_SOCKDIAG_H
#define TCPDWELL_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define SOCKDIAG_UNKNOWN UINT64_MAX

/* Of states, all that a dump may ask for: sockets in CLOSE are in no table. */
#define SOCKDIAG_STATES (((1U << TCPDWELL_STATE_MAX) - 2) & ~(1U << TCPDWELL_CLOSE))

/* Which timer runs: idiag_timer. */
enum sockdiag_timer {
	SOCKDIAG_TIMER_NONE = 0,
	SOCKDIAG_TIMER_RETRANSMIT = 1, /* also of loss probes and of reordering */
	SOCKDIAG_TIMER_KEEPALIVE = 2,
	SOCKDIAG_TIMER_TIMEWAIT = 3,
	SOCKDIAG_TIMER_PROBE = 4, /* of a window that is zero */
};

struct sockdiag_socket {
	uint64_t read_ns; /* when the kernel was asked */
	uint64_t left_ns; /* of the running timer, 0: none; in TIME_WAIT, what is left of it */
	/* Before read_ns, in ticks of the kernel (struct tcp_info), or SOCKDIAG_UNKNOWN. */
	uint64_t sent_ns;     /* the last segment with data that was sent */
	uint64_t received_ns; /* that was received */
	uint64_t acked_ns;    /* the last ACK that was received */
	uint64_t cookie;      /* the socket's identity */
	uint32_t inode;	      /* of the socket's file, 0: it has none, and no descriptor */
	uint32_t uid;
	uint32_t queued; /* of a listener: connections that wait for accept(), and their limit */
	uint32_t queue_max;
	uint32_t unread_bytes;	/* of others: that the process has not read */
	uint32_t unacked_bytes; /* and that the peer has not acknowledged */
	uint32_t drops;		/* of a listener: SYNs and connections, since it listens */
	uint64_t rto_ns;	/* struct tcp_info; 0: not known */
	uint32_t total_retransmits;
	uint32_t interface;  /* that it is bound to, 0: none */
	uint8_t timer;	     /* enum sockdiag_timer */
	uint8_t retransmits; /* of what the timer sends again */
	uint8_t probes;	     /* of a window, or of keep-alive, that went unanswered */
	uint8_t backoff;
	bool full;	/* neither a request nor a timewait socket, which have no user either */
	uint8_t state;	/* enum tcpdwell_state */
	uint8_t family; /* 4 or 6 */
	uint16_t lport;
	uint16_t rport;
	uint8_t laddr[16]; /* IPv4 takes the first four bytes, the rest is zero */
	uint8_t raddr[16];
};

/* @socket is only valid during the call. Returns 0 to go on, or -errno, which ends the dump. */
typedef int sockdiag_visit(void *context, const struct sockdiag_socket *socket);

/* A socket for sockdiag_dump() in the calling thread's namespace, or -errno. */
int sockdiag_open(void);

/*
 * Visits the sockets of the namespace that @fd was opened in, wherever the thread is now, as
 * sockdiag_each() does.
 */
int sockdiag_dump(int fd, uint16_t states, sockdiag_visit *visit, void *context);

/*
 * Visits the sockets of the calling thread's namespace whose state is in @states, a mask of state
 * numbers; listeners come before the others. Returns 0, what a visit returned, or -errno of the
 * kernel.
 */
int sockdiag_each(uint16_t states, sockdiag_visit *visit, void *context);

/*
 * The same, without what struct tcp_info and the memory of a socket tell: to count them is cheaper,
 * and locks none.
 */
int sockdiag_each_brief(uint16_t states, sockdiag_visit *visit, void *context);

/* The ends of one socket; IPv4 takes the first four bytes of an address. */
struct sockdiag_ends {
	uint8_t family; /* 4 or 6 */
	uint16_t lport;
	uint16_t rport;
	uint32_t interface; /* that it is bound to, 0: none */
	uint8_t laddr[16];
	uint8_t raddr[16];
};

/* Sockets that are asked for at a time. */
#define SOCKDIAG_TOUCHED 64

/*
 * Asks for each of @count sockets by itself, SOCKDIAG_TOUCHED at the most, which takes no pass over
 * a table and has the kernel give them cookies. Nobody reads the answers: @fd is of no use after
 * it but for more of these. Returns 0 or -errno of a request that could not be made.
 */
int sockdiag_touch(int fd, const struct sockdiag_ends *ends, size_t count);

/*
 * Visits the sockets in @len bytes of an answer that was read at @read_ns. Returns 1 if the answer
 * ends there, 0 if there is more to come, or -errno. @data is aligned for 64-bit numbers.
 */
int sockdiag_parse(const void *data, size_t len, uint64_t read_ns, sockdiag_visit *visit,
		   void *context);

#endif /* TCPDWELL_SOCKDIAG_H */
