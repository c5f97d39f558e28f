/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Addresses in network order: 4 bytes of IPv4, or 16 of IPv6. In 16 bytes an IPv4 address takes the
 * first four, and the others are 0 (wire.h); v4mapped.h has the other form.
 */
#ifndef TCPDWELL_ADDR_H
#define TCPDWELL_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Returns true for 0.0.0.0 and ::, which are no host's. @bytes: 4, or 16 for either. */
static inline bool addr_is_any(const uint8_t *addr, size_t bytes)
{
	static const uint8_t any[16];

	return !memcmp(addr, any, bytes);
}

#endif /* TCPDWELL_ADDR_H */
