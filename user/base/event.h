/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a source yields. A source may read the ring, walk over the sockets that exist, or read the
 * sums of the kernel side or a file. It knows neither who takes its events nor what becomes of
 * them.
 */
#ifndef TCPDWELL_EVENT_H
#define TCPDWELL_EVENT_H

#include "stat.h"
#include "wire.h"

enum event_kind {
	EVENT_TRANSITION,
	EVENT_CONNECTION, /* a connection that has ended, or goes on at the end of the run */
	EVENT_SOCKET,	  /* a socket that exists */
	EVENT_SUM,	  /* dwells of one group, summed by the kernel side */
	EVENT_UNKNOWN,	  /* a record of a kind that is not known here */
	EVENT_MALFORMED,  /* a record that is too short, or has an impossible value */
};

/* An event's pointers belong to the source, and are valid while the event is being taken. */
struct event {
	enum event_kind kind;
	union {
		struct {
			const struct tcpdwell_transition *transition;
			const struct tcpdwell_port_use *port; /* NULL if not asked for */
		};
		const struct tcpdwell_connection *connection;
		const struct tcpdwell_socket *socket;
		struct {
			const struct tcpdwell_stat_key *key;
			const struct tcpdwell_stat *value;
		} sum;
	};
};

/* Takes an event. Returns 0, or -errno, which ends the source's reading. */
typedef int event_take(void *context, const struct event *event);

#endif /* TCPDWELL_EVENT_H */
