/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_STAGE_H
#define TRAFFIC_STAGE_H

#include "puppet.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/*
 * The stage has two puppets, client and server, and the socket ends that a scenario moves through
 * their states. Scenarios read like scripts, because errors stay in the stage: the first one is
 * kept with its words, and every later step does nothing. stage_error() returns it.
 *
 * Ownership: the stage owns its puppets and ends; an end lives until stage_clear().
 *
 * Threading: one thread. Times are CLOCK_MONOTONIC in nanoseconds.
 */
struct stage;
struct end;

struct stage_options {
	int family;		  /* AF_INET or AF_INET6, the family of the packets */
	bool mapped;		  /* IPv4 packets from AF_INET6 sockets */
	const char *client_addr;  /* NULL: loopback */
	const char *server_addr;  /* NULL: loopback */
	const char *server_netns; /* a path; NULL: the caller's */
	unsigned int hold_ms;	  /* how long a state is held on purpose */
	bool step;		  /* hold until a line comes on standard input */
	bool cookies;		  /* read SO_COOKIE, which makes a cookie if there is none */
	uid_t uid;		  /* of the puppets; (uid_t)-1: the caller's */
};

int stage_open(struct stage **stagep, const struct stage_options *options);
void stage_free(struct stage *stage);
/* Closes what is still open, and forgets the ends. A puppet that has exited is replaced. */
void stage_clear(struct stage *stage);

const struct stage_options *stage_options(const struct stage *stage);
struct puppet *stage_client(struct stage *stage);
struct puppet *stage_server(struct stage *stage);
/* Sets an address of the client's or the server's side, with port 0. */
void stage_address(const struct stage *stage, bool server, struct sockaddr_storage *addr);

/* Returns 0, or the first error; stage_words() has its words. */
int stage_error(const struct stage *stage);
const char *stage_words(const struct stage *stage);
/* Records the first error; @err is -errno. Returns @err. */
int stage_fail(struct stage *stage, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Returns a new end, never NULL. After the last one the stage fails and the last one is returned.
 */
struct end *stage_new_end(struct stage *stage, struct puppet *puppet, const char *role);
struct end *stage_end(struct stage *stage, unsigned int index); /* NULL after the last one */

/*
 * Holds every end in its state, for hold_ms, or with step until a line comes. Then it checks that
 * each is still in its state.
 */
void stage_hold(struct stage *stage);

uint64_t now_ns(void);
/*
 * Waits between two looks at a fact that has not come since @begin_ns: the longer it takes, the
 * longer.
 */
void wait_a_little(uint64_t begin_ns);

#endif
