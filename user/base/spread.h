/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Spreads keys over a hash table that are counted up, or that are addresses and end alike. It
 * multiplies by the bits of the golden ratio (Fibonacci hashing). The upper bits of the result are
 * the best. Pure.
 */
#ifndef TCPDWELL_SPREAD_H
#define TCPDWELL_SPREAD_H

#include <stdint.h>

static inline uint64_t spread(uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ULL;
}

#endif /* TCPDWELL_SPREAD_H */
