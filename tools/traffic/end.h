/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_END_H
#define TRAFFIC_END_H

#include "stage.h"

#include <netinet/tcp.h>

/*
 * One end of a connection, or a listener: a socket of a puppet, the states that it was seen in, and
 * those that it must have passed, each with bounds of the moment when it was entered.
 *
 * Ownership: the stage's. Errors stay in the stage. States are those of <netinet/tcp.h>.
 */

/* What the rest of the program may read. */
struct end_step {
	int state;
	uint64_t lo_ns, hi_ns; /* entered between these; hi_ns 0: not yet */
};

enum { END_STEPS = 12 }; /* the longest path of RFC 9293 has eight states */

struct end {
	struct stage *stage;
	struct puppet *puppet;
	const char *role;
	unsigned int connection; /* 1, or more if one socket has several */
	int fd;			 /* in the puppet; -1: none */
	struct sockaddr_storage local, remote;
	struct end_step path[END_STEPS];
	unsigned int steps;
	uint64_t verified_ns; /* when the state seen last certainly held */
	const char *reason;   /* for the transition to CLOSE; NULL: not known, or none */
	int error;	      /* errno of the socket at its end; 0: none */
	uint64_t cookie;
};

void end_init(struct end *end, struct stage *stage, struct puppet *puppet, const char *role);
/* Closes what a script left open, whatever its errors. */
void end_close_quietly(struct end *end);

/* Makes a socket: listening, or in CLOSE for a later end_connect(). */
struct end *end_listen(struct stage *stage, int backlog);
struct end *end_socket(struct stage *stage, bool server);
/* Binds to the side's address; @port 0 takes any. */
void end_bind(struct end *end, uint16_t port);

/* Begins to connect to @to, which listens or is bound; the path gains SYN_SENT. */
void end_connect(struct end *end, const struct end *to);
/* Does the same, but the call must fail with EADDRNOTAVAIL and leave the socket in CLOSE. */
void end_connect_finds_no_port(struct end *end, const struct end *to);
/* connect() and @bytes of data at once, in the SYN if it may (MSG_FASTOPEN). */
void end_connect_with_data(struct end *end, const struct end *to, unsigned int bytes);
/*
 * Calls connect() after a failure, which the call must report as @error; then the socket can be
 * used again.
 */
void end_collect(struct end *end, const struct end *to, int error);
/*
 * Returns the peer of @client that @listener's kernel makes. It has no descriptor until
 * end_accept().
 */
struct end *end_child(struct end *listener, struct end *client);
void end_accept(struct end *child, struct end *listener);

void end_shutdown(struct end *end);
void end_close(struct end *end);
/* Closes with SO_LINGER 0, which sends a reset. */
void end_abort(struct end *end);
/* Call connect(AF_UNSPEC), and begin another connection of the same socket, as a new end. */
void end_disconnect(struct end *end);
struct end *end_again(struct end *end);
/* Lets the end's process exit with its sockets open. */
void end_exit(struct end *end);
/* Reads the cookie if it is wanted and there is a descriptor. */
void end_cookie(struct end *end);
void end_option(struct end *end, int level, int name, int value);
void end_send(struct end *end, unsigned int bytes);
/* Waits until @bytes have come, and reads them. */
void end_receive(struct end *end, unsigned int bytes);
/* Waits until @bytes have come, and leaves them unread. */
void end_unread(struct end *end, unsigned int bytes);
/* Reads SO_ERROR, which must be @error. */
void end_error(struct end *end, int error);

/*
 * Waits until the end is in the last of @states, which end with 0. It must have passed the others.
 */
void end_goes_(struct end *end, const int *states);
#define end_goes(end, ...) end_goes_(end, (const int[]){ __VA_ARGS__, 0 })
/* Does the same for a connection that is over then, for this reason and with this errno. */
void end_over_(struct end *end, const char *reason, int error, const int *states);
#define end_over(end, reason, error, ...) \
	end_over_(end, reason, error, (const int[]){ __VA_ARGS__, 0 })
/* Does the same for a transition that a long timer makes, without waiting for it. */
void end_expires(struct end *end, const char *reason);
/*
 * Records that the end was in TIME_WAIT until the connection @to, with the same addresses and ports
 * and established now, began.
 */
void end_gave_way(struct end *end, const struct end *to, const char *reason);
/* Records a state that the end is about to pass, if something else shows that it does. */
void end_passes(struct end *end, int state);
/* Takes a look, so that what comes next is known to come later. */
void end_look(struct end *end);
/* Checks that the end is still in the state that was seen last. */
void end_still(struct end *end);
/* Returns the present state, or -errno. */
int end_state(struct end *end);

#endif
