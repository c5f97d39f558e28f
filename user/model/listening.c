// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "model/listening.h"
#include "model/pressure.h"

/* Ports with their namespaces, in ascending order. */
struct listening {
	size_t count;
	uint64_t ports[];
};

static uint64_t port_in(uint32_t netns, uint16_t port)
{
	return (uint64_t)netns << 16 | port;
}

static int compare_numbers(const void *left, const void *right)
{
	return compare(*(const uint64_t *)left, *(const uint64_t *)right);
}

struct listening *listening_new(const struct sockets *sockets)
{
	size_t count = sockets_count(sockets), listeners = 0;
	struct listening *listening;

	for (size_t i = 0; i < count; i++)
		listeners += sockets_at(sockets, i)->info.state == TCPDWELL_LISTEN;
	listening = calloc(1, sizeof(*listening) + listeners * sizeof(*listening->ports));
	if (!listening)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const struct tcpdwell_socket *info = &sockets_at(sockets, i)->info;

		if (info->state == TCPDWELL_LISTEN)
			listening->ports[listening->count++] = port_in(info->netns, info->lport);
	}
	if (listeners)
		qsort(listening->ports, listeners, sizeof(*listening->ports), compare_numbers);
	return listening;
}

void listening_free(struct listening *listening)
{
	free(listening);
}

static bool listens(const struct listening *listening, uint32_t netns, uint16_t port)
{
	uint64_t sought = port_in(netns, port);

	return listening->count && bsearch(&sought, listening->ports, listening->count,
					   sizeof(sought), compare_numbers);
}

/*
 * Returns true if both ends are on this host: they have the same address, or both have loopback
 * addresses.
 */
static bool is_to_itself(const struct tcpdwell_socket *info)
{
	return !memcmp(info->laddr, info->raddr, sizeof(info->laddr)) ||
	       (pressure_is_loopback(info->family, info->laddr) &&
		pressure_is_loopback(info->family, info->raddr));
}

/*
 * A listener is a server, and so is a connection that waits for its accept() or for the end of a
 * handshake.
 */
uint8_t listening_side(const struct listening *listening, const struct tcpdwell_socket *info,
		       struct service_range range)
{
	uint8_t who = 0;

	/* If it has a file, it is no request, but a simultaneous open. */
	bool request = info->state == TCPDWELL_SYN_RECV && !(info->flags & TCPDWELL_SOCKET_HELD);

	if (info->state == TCPDWELL_LISTEN || request || info->flags & TCPDWELL_SOCKET_QUEUED)
		return SERVICE_LOCAL;
	/* The connection is over, or never began. A client that was refused still has its port. */
	if (!info->rport)
		return listens(listening, info->netns, info->lport) ||
				       !service_in_range(range, info->lport) ?
			       SERVICE_LOCAL :
			       SERVICE_UNKNOWN;
	if (listens(listening, info->netns, info->lport))
		who |= SERVICE_LISTENS_LOCAL;
	if (is_to_itself(info) && listens(listening, info->netns, info->rport))
		who |= SERVICE_LISTENS_REMOTE;
	return service_side(info->owner, who, info->lport, info->rport, range);
}
