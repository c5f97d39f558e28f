/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts the sockets of a snapshot: by state, by process and state, by port and state. Times are
 * nanoseconds; ages are counted from the end of the snapshot. Pure, one thread at a time.
 */
#ifndef TCPDWELL_CENSUS_H
#define TCPDWELL_CENSUS_H

#include <stddef.h>
#include <stdint.h>

#include "model/ages.h"
#include "model/ranges.h"
#include "model/sockets.h"

struct filters;

/* Sockets that have the state and something else in common. */
struct census_group {
	const struct socket_seen *one; /* any of them */
	size_t count;
	struct ages ages;
	uint16_t port;			   /* by port: the service's; 0: not known */
	uint8_t side;			   /* enum service_side: whose end the port is */
	const struct named_cgroup *cgroup; /* where all were made; NULL: not known, or several */
};

struct census_table {
	struct census_group *groups;
	size_t count;
};

struct census {
	uint64_t now_ns;
	size_t total;
	size_t perhaps;		       /* perhaps old enough; not counted in any other member */
	size_t younger;		       /* certainly not old enough */
	struct census_table states;    /* in the order of a connection's life */
	struct census_table processes; /* most sockets first */
	struct census_table ports;     /* most sockets first */
	const struct socket_seen **listeners; /* full accept queues first, then by port */
	size_t listener_count;
};

/*
 * Counts the sockets that @filters want and that are at least @older_ns old. @ranges decide which
 * end is the service if nothing else tells; they may be NULL. Returns NULL with errno set if there
 * is no memory. The caller frees the census before the sockets, since it points into them.
 */
struct census *census_new(const struct sockets *sockets, const struct ranges *ranges,
			  const struct filters *filters, uint64_t older_ns, uint64_t now_ns);

/* NULL-safe. */
void census_free(struct census *census);

#endif /* TCPDWELL_CENSUS_H */
