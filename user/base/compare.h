/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An order of numbers for qsort(3) and bsearch(3), and a search in sorted items.
 */
#ifndef TCPDWELL_COMPARE_H
#define TCPDWELL_COMPARE_H

#include <stddef.h>
#include <stdint.h>

/* Returns a number below 0, 0 or above 0 if @a is below, equal to or above @b. */
static inline int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/*
 * Returns how many of @count sorted items are below @key. This is the index of the first item that
 * has @key, or where it would be. Each item has @size bytes, and @number reads the number that they
 * are sorted by.
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
