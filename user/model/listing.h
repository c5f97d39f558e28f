/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets of a snapshot one by one, for `snapshot --sockets`: those that are wanted, in a
 * readable order, each with its age and its end. Times are nanoseconds; ages are counted from the
 * end of the snapshot. Pure, one thread at a time.
 */
#ifndef TCPDWELL_LISTING_H
#define TCPDWELL_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/ages.h"
#include "model/deadline.h"
#include "model/netns_settings.h"
#include "model/sockets.h"

struct filters;

struct listing_row {
	const struct socket_seen *socket;
	const struct netns_setting *netns; /* NULL: not known */
	struct age age;
	struct deadline_socket timers; /* options in effect: the socket's or the namespace's */
	struct deadline end;
};

struct listing {
	uint64_t now_ns;
	const struct sockets *sockets;
	struct listing_row *rows; /* by process, state and age (oldest first); nobody's come last */
	size_t count;
	size_t perhaps; /* perhaps as old as was asked for; not in the list */
};

/*
 * Lists the sockets that @filters want and that are at least @older_ns old. If @netns does not have
 * a namespace, an end that depends on its settings is not known. Returns NULL with errno set. The
 * caller frees the listing before @sockets and @netns, since it points into them.
 */
struct listing *listing_new(const struct sockets *sockets, const struct netns_settings *netns,
			    const struct filters *filters, uint64_t older_ns, uint64_t now_ns);

/* NULL-safe. */
void listing_free(struct listing *listing);

/*
 * Sets the queues that ss(8) shows as Recv-Q and Send-Q; for a listener, the accept queue and its
 * limit. Returns false if they are not known.
 */
bool listing_queues(const struct listing_row *row, uint32_t *recv, uint32_t *send);

/*
 * Returns how often the timer's segment was sent again; for a zero window and keep-alive, the
 * number of probes.
 */
unsigned int listing_sent_again(const struct listing_row *row);

#endif /* TCPDWELL_LISTING_H */
