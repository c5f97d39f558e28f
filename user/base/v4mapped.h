/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * IPv4 addresses in IPv6 form, in ::ffff:0:0/96: 12 bytes, then the four of IPv4, in network order.
 */
#ifndef TCPDWELL_V4MAPPED_H
#define TCPDWELL_V4MAPPED_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define V4MAPPED_PREFIX_BYTES 12

static const uint8_t v4mapped_prefix[V4MAPPED_PREFIX_BYTES] = { [10] = 0xff, [11] = 0xff };

/* Returns true if the 16 bytes at @addr are such an address. */
static inline bool v4mapped_is(const void *addr)
{
	return !memcmp(addr, v4mapped_prefix, V4MAPPED_PREFIX_BYTES);
}

static inline void v4mapped_set(uint8_t addr[16], const void *ipv4)
{
	memcpy(addr, v4mapped_prefix, V4MAPPED_PREFIX_BYTES);
	memcpy(addr + V4MAPPED_PREFIX_BYTES, ipv4, 4);
}

#endif /* TCPDWELL_V4MAPPED_H */
