/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order of numbers, for qsort(3) and bsearch(3).
 */
#ifndef TCPDWELL_COMPARE_H
#define TCPDWELL_COMPARE_H

#include <stdint.h>

/* Below, at or above 0, as @a is to @b. */
static inline int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

#endif /* TCPDWELL_COMPARE_H */
