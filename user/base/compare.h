/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The order of numbers, for qsort(3) and bsearch(3), and a search in what is in order.
 */
#ifndef TCPDWELL_COMPARE_H
#define TCPDWELL_COMPARE_H

#include <stddef.h>
#include <stdint.h>

/* Below, at or above 0, as @a is to @b. */
static inline int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/*
 * How many of @count items of @size bytes, which are in the order of the number that @number reads
 * of one, are below @key: where the first is that has it, or would be.
 */
static inline size_t count_below(const void *items, size_t count, size_t size,
				 uint64_t (*number)(const void *item), uint64_t key)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (number((const char *)items + middle * size) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#endif /* TCPDWELL_COMPARE_H */
