// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "base/v4mapped.h"
#include "host/sockdiag_filter.h"

static bool port_wanted(const struct port_set *set, uint16_t port)
{
	return !set->any || port_set_has(set, port);
}

/* Returns true if the first bits of @addr are those of @cidr, which has IPv4 as v4-mapped. */
static bool cidr_has(const struct cidr *cidr, unsigned int family, const uint8_t *addr)
{
	uint8_t full[16];
	unsigned int bytes = cidr->prefix / 8, bits = cidr->prefix % 8;

	if (cidr->family != family)
		return false;
	if (family == 6)
		memcpy(full, addr, 16);
	else
		v4mapped_set(full, addr);
	if (memcmp(full, cidr->addr, bytes))
		return false;
	return !bits || !((full[bytes] ^ cidr->addr[bytes]) >> (8 - bits));
}

static bool addr_wanted(const struct cidr_list *list, const struct sockdiag_socket *socket)
{
	for (unsigned int i = 0; i < list->count; i++)
		if (cidr_has(&list->cidrs[i], socket->family, socket->laddr) ||
		    cidr_has(&list->cidrs[i], socket->family, socket->raddr))
			return true;
	return !list->count;
}

bool sockdiag_wanted(const struct filters *filters, const struct sockdiag_socket *socket)
{
	return (!filters->family || filters->family == socket->family) &&
	       port_wanted(&filters->lports, socket->lport) &&
	       port_wanted(&filters->rports, socket->rport) &&
	       (port_wanted(&filters->ports, socket->lport) ||
		port_wanted(&filters->ports, socket->rport)) &&
	       addr_wanted(&filters->addrs, socket);
}
