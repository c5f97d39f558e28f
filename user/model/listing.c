// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/compare.h"
#include "base/tcpstate.h"
#include "cli/filters.h"
#include "model/listing.h"
#include "model/timers.h"

/*
 * By process, with nobody's last; then by state, and by age with the oldest first; then by what
 * every socket has.
 */
static int compare_rows(const void *left, const void *right)
{
	const struct listing_row *a = left, *b = right;
	const struct tcpdwell_socket *x = &a->socket->info, *y = &b->socket->info;

	return compare(x->pid - 1U, y->pid - 1U)				 ?:
		       compare(tcpstate_rank(x->state), tcpstate_rank(y->state)) ?:
		       compare(b->age.least_ns, a->age.least_ns)		 ?:
		       compare(x->netns, y->netns)				 ?:
		       compare(x->lport, y->lport)				 ?:
		       compare(x->rport, y->rport)				 ?:
		       compare(x->key, y->key);
}

static struct listing_row row_of(const struct socket_seen *socket,
				 const struct netns_settings *netns, struct age age)
{
	struct listing_row row = {
		.socket = socket,
		.netns = netns_settings_find(netns, socket->info.netns),
		.age = age,
	};
	uint64_t unknown[FACT_SETTINGS];

	for (unsigned int i = 0; i < FACT_SETTINGS; i++)
		unknown[i] = FACT_UNKNOWN;
	row.timers = timers_of(&socket->info, row.netns ? row.netns->settings : unknown);
	if (row.netns || !socket->info.detail.timer)
		row.end = timers_deadline(&socket->info, row.netns ? row.netns->settings : unknown);
	return row;
}

struct listing *listing_new(const struct sockets *sockets, const struct netns_settings *netns,
			    const struct filters *filters, uint64_t older_ns, uint64_t now_ns)
{
	struct listing *listing = calloc(1, sizeof(*listing));

	if (!listing)
		return NULL;
	listing->now_ns = now_ns;
	listing->sockets = sockets;
	listing->rows = calloc(sockets_count(sockets) ?: 1, sizeof(*listing->rows));
	if (!listing->rows) {
		free(listing);
		errno = ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < sockets_count(sockets); i++) {
		const struct socket_seen *socket = sockets_at(sockets, i);
		struct age age = age_in_state(&socket->info, now_ns);
		enum age_class class = age_class(age, older_ns);

		if (!sockets_wanted(sockets, socket, filters))
			continue;
		listing->perhaps += class == AGE_PERHAPS;
		if (class == AGE_OLDER)
			listing->rows[listing->count++] = row_of(socket, netns, age);
	}
	qsort(listing->rows, listing->count, sizeof(*listing->rows), compare_rows);
	return listing;
}

void listing_free(struct listing *listing)
{
	if (!listing)
		return;
	free(listing->rows);
	free(listing);
}

bool listing_queues(const struct listing_row *row, uint32_t *recv, uint32_t *send)
{
	const struct tcpdwell_socket *info = &row->socket->info;

	if (info->state == TCPDWELL_LISTEN) {
		*recv = info->queued;
		*send = info->queue_max;
		return true;
	}
	*recv = info->detail.recv_bytes;
	*send = info->detail.send_bytes;
	return info->detail.known & TCPDWELL_KNOWN_QUEUES;
}

unsigned int listing_sent_again(const struct listing_row *row)
{
	const struct tcpdwell_detail *detail = &row->socket->info.detail;

	if (detail->timer == TCPDWELL_TIMER_PROBE || detail->timer == TCPDWELL_TIMER_KEEPALIVE)
		return detail->probes_out;
	return detail->retransmits;
}
