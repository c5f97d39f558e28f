/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets of a snapshot counted: by state, by process and state, by port and state. Pure, one
 * thread at a time. Times are nanoseconds; ages are counted from the snapshot's end.
 */
#ifndef TCPDWELL_CENSUS_H
#define TCPDWELL_CENSUS_H

#include <stddef.h>
#include <stdint.h>

#include "model/ages.h"
#include "model/ranges.h"
#include "model/sockets.h"

struct filters;

/* Sockets that have something in common, a state among it. */
struct census_group {
	const struct socket_seen *one; /* any of them */
	size_t count;
	struct ages ages;
	uint16_t port;			   /* by port: that of the service, 0: it is not known */
	uint8_t side;			   /* enum service_side: whose end that is */
	const struct named_cgroup *cgroup; /* that all were made in; NULL: not known, or several */
};

struct census_table {
	struct census_group *groups;
	size_t count;
};

struct census {
	uint64_t now_ns;
	size_t total;
	size_t perhaps; /* beside: perhaps as old as was asked for, and counted in none of these */
	size_t younger; /* certainly not */
	struct census_table states;	      /* in the order of a connection's life */
	struct census_table processes;	      /* most sockets first */
	struct census_table ports;	      /* most sockets first */
	const struct socket_seen **listeners; /* those that have no room first, then by port */
	size_t listener_count;
};

/*
 * Counts those of @sockets that @filters want and that are @older_ns old at least. Where nothing
 * else tells which end is the service, @ranges do, which may be NULL. Returns NULL
 * with errno set if there is no memory. The caller frees it, before the sockets, which it points
 * into.
 */
struct census *census_new(const struct sockets *sockets, const struct ranges *ranges,
			  const struct filters *filters, uint64_t older_ns, uint64_t now_ns);

/* NULL-safe. */
void census_free(struct census *census);

#endif /* TCPDWELL_CENSUS_H */
