// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "model/port_use.h"

static int compare_ends(const struct fact_address *a, const struct fact_address *b)
{
	return compare(a->netns, b->netns)			    ?:
		       compare(a->rport, b->rport)		    ?:
		       memcmp(a->raddr, b->raddr, sizeof(a->raddr)) ?:
		       memcmp(a->laddr, b->laddr, sizeof(a->laddr));
}

static int compare_sockets(const void *left, const void *right)
{
	const struct fact_socket *a = *(const struct fact_socket *const *)left;
	const struct fact_socket *b = *(const struct fact_socket *const *)right;

	return compare_ends(&a->at, &b->at);
}

/* Whether it takes one of the ports that connect() picks; @usable gets their number. */
static bool takes_port(const struct facts *facts, const struct fact_socket *socket,
		       uint32_t *usable)
{
	const struct fact_netns *netns = facts_netns(facts, socket->at.netns);
	uint64_t low, high, reserved;

	if (!socket->client || !socket->at.rport || !netns)
		return false;
	low = netns->settings[FACT_PORTS_LOW];
	high = netns->settings[FACT_PORTS_HIGH];
	reserved = netns->settings[FACT_PORTS_RESERVED];
	if (low == FACT_UNKNOWN || high == FACT_UNKNOWN || socket->at.lport < low ||
	    socket->at.lport > high)
		return false;
	*usable = high - low + 1 - (reserved == FACT_UNKNOWN ? 0 : reserved);
	return true;
}

static double share(const struct port_use *use)
{
	return use->usable ? (double)use->used / use->usable : 0;
}

/* Puts @use among the worst, unless it takes too little. */
static void rank(struct port_uses *uses, const struct port_use *use)
{
	size_t place = uses->count;

	if (share(use) < 0.01)
		return;
	while (place && share(&uses->uses[place - 1]) < share(use))
		place--;
	if (place == PORT_USE_TOP)
		return;
	if (uses->count < PORT_USE_TOP)
		uses->count++;
	memmove(&uses->uses[place + 1], &uses->uses[place],
		(uses->count - 1 - place) * sizeof(*uses->uses));
	uses->uses[place] = *use;
}

static void reckon(struct port_use *use, const struct port_uses *before, uint64_t span_ns)
{
	use->left_s = -1;
	for (size_t i = 0; i < before->count && span_ns; i++) {
		const struct port_use *past = &before->uses[i];
		double rate = (use->used - (double)past->used) / (span_ns / 1e9);

		if (!compare_ends(&past->at, &use->at) && rate > 0)
			use->left_s = use->used < use->usable ? (use->usable - use->used) / rate :
								0;
	}
}

int port_uses_take(struct port_uses *uses, const struct facts *facts, uint64_t span_ns)
{
	const struct fact_socket **sorted = calloc(facts->socket_count + 1, sizeof(*sorted));
	const struct port_uses before = *uses;
	uint32_t usable;
	size_t count = 0;

	if (!sorted)
		return -ENOMEM;
	*uses = (struct port_uses){};
	for (size_t i = 0; i < facts->socket_count; i++)
		if (takes_port(facts, &facts->sockets[i], &usable))
			sorted[count++] = &facts->sockets[i];
	qsort(sorted, count, sizeof(*sorted), compare_sockets);
	for (size_t i = 0, n; i < count; i += n) {
		struct port_use use = { .at = sorted[i]->at };

		for (n = 1; i + n < count && !compare_sockets(&sorted[i], &sorted[i + n]); n++)
			;
		use.used = n;
		takes_port(facts, sorted[i], &use.usable);
		rank(uses, &use);
	}
	for (size_t i = 0; i < uses->count; i++)
		reckon(&uses->uses[i], &before, span_ns);
	free(sorted);
	return 0;
}
