/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a source yields, whatever it reads: the ring, a walk over the sockets that exist, the sums
 * of the kernel side, a file. A source knows neither who takes its events nor what becomes of them.
 */
#ifndef TCPDWELL_EVENT_H
#define TCPDWELL_EVENT_H

#include "stat.h"
#include "wire.h"

enum event_kind {
	EVENT_TRANSITION,
	EVENT_CONNECTION, /* one that has ended, or goes on at the end of the run */
	EVENT_SOCKET,	  /* one that exists */
	EVENT_SUM,	  /* dwells of one group, summed by the kernel side */
	EVENT_UNKNOWN,	  /* a record of a kind that is not known here */
	EVENT_MALFORMED,  /* a record that is too short, or has a value that cannot be */
};

/* What it points at is the source's, and valid while the event is being taken. */
struct event {
	enum event_kind kind;
	union {
		struct {
			const struct tcpdwell_transition *transition;
			const struct tcpdwell_port_use *port; /* NULL: not asked for */
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
