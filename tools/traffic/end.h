/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_END_H
#define TRAFFIC_END_H

#include "stage.h"

#include <netinet/tcp.h>

/*
 * One end of a connection, or a listener: a socket of a puppet, the states that it has been seen in
 * and those that it must have passed, each with the bounds of the moment it was entered.
 *
 * Ownership: the stage's. Errors stick to the stage. States are those of <netinet/tcp.h>.
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
	unsigned int connection; /* 1, and more where one socket lives several */
	int fd;			 /* in the puppet, -1 none */
	struct sockaddr_storage local, remote;
	struct end_step path[END_STEPS];
	unsigned int steps;
	uint64_t verified_ns; /* when the last seen state held for certain */
	const char *reason;   /* of the transition to CLOSE, NULL: not known or not one of these */
	int error;	      /* errno that the socket met at its end, 0 none */
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
/* The same where the call itself must fail with EADDRNOTAVAIL and leave the socket in CLOSE. */
void end_connect_finds_no_port(struct end *end, const struct end *to);
/* connect() and @bytes of data at once, in the SYN if it may (MSG_FASTOPEN). */
void end_connect_with_data(struct end *end, const struct end *to, unsigned int bytes);
/* connect() after a failure tells it, which must be @error; the socket is fit for another then. */
void end_collect(struct end *end, const struct end *to, int error);
/* The peer of @client that @listener's kernel makes; it has no descriptor until end_accept(). */
struct end *end_child(struct end *listener, struct end *client);
void end_accept(struct end *child, struct end *listener);

void end_shutdown(struct end *end);
void end_close(struct end *end);
/* Closes with SO_LINGER 0, which sends a reset. */
void end_abort(struct end *end);
/* connect(AF_UNSPEC); and a further connection of the same socket, as an end of its own. */
void end_disconnect(struct end *end);
struct end *end_again(struct end *end);
/* The end's process exits with its sockets open. */
void end_exit(struct end *end);
/* Reads the cookie if that is wanted and there is a descriptor. */
void end_cookie(struct end *end);
void end_option(struct end *end, int level, int name, int value);
void end_send(struct end *end, unsigned int bytes);
/* Waits until @bytes have come, reads them. */
void end_receive(struct end *end, unsigned int bytes);
/* Waits until @bytes have come, leaves them unread. */
void end_unread(struct end *end, unsigned int bytes);
/* Takes SO_ERROR, which must be @error. */
void end_error(struct end *end, int error);

/* Waits until the end is in the last of the states, ended by 0; it must have passed the others. */
void end_goes_(struct end *end, const int *states);
#define end_goes(end, ...) end_goes_(end, (const int[]){ __VA_ARGS__, 0 })
/* As end_goes(), and the connection is over: why, and with which errno. */
void end_over_(struct end *end, const char *reason, int error, const int *states);
#define end_over(end, reason, error, ...) \
	end_over_(end, reason, error, (const int[]){ __VA_ARGS__, 0 })
/* As end_over() for a transition that a long timer makes, which is not waited for. */
void end_expires(struct end *end, const char *reason);
/* In TIME_WAIT until the connection @to of the same addresses and ports, established now, began. */
void end_gave_way(struct end *end, const struct end *to, const char *reason);
/* A state that is about to be passed, where something else tells that it was. */
void end_passes(struct end *end, int state);
/* Takes a look, by which the moment of what comes next is known to be later. */
void end_look(struct end *end);
/* Sees that the end is still where it was seen last. */
void end_still(struct end *end);
/* The state now, or -errno. */
int end_state(struct end *end);

#endif
