/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets of a snapshot one by one, for `snapshot --sockets`: those that are wanted, in an
 * order in which they can be read, each with its age and when it ends by itself. Pure, one thread
 * at a time. Times are nanoseconds; ages are counted from the snapshot's end.
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
	struct deadline_socket timers; /* options as they hold, the socket's or the namespace's */
	struct deadline end;
};

struct listing {
	uint64_t now_ns;
	const struct sockets *sockets;
	struct listing_row *rows; /* by process, then state, the oldest first; nobody's last */
	size_t count;
	size_t perhaps; /* beside: perhaps as old as was asked for */
};

/*
 * Lists those of @sockets that @filters want and that are @older_ns old at least. Where @netns does
 * not know a namespace, no end is known that hangs on its settings. Returns NULL with errno set.
 * The caller frees it, before @sockets and @netns, which it points into.
 */
struct listing *listing_new(const struct sockets *sockets, const struct netns_settings *netns,
			    const struct filters *filters, uint64_t older_ns, uint64_t now_ns);

/* NULL-safe. */
void listing_free(struct listing *listing);

/* Recv-Q and Send-Q as ss(8) has them, of a listener the queue and its limit. false: not known. */
bool listing_queues(const struct listing_row *row, uint32_t *recv, uint32_t *send);

/* How often what the timer waits for was sent again; of window and keep-alive the probes. */
unsigned int listing_sent_again(const struct listing_row *row);

#endif /* TCPDWELL_LISTING_H */
