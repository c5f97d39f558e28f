/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Log-linear histogram of durations, fixed in size: each power of two has 32 buckets of equal
 * width, so any value is known to 1/32, and what hist_percentile() says is at most 1/64 off.
 *
 * A struct hist is the caller's, 15 KiB, empty when all zero. No allocation, no errors. One thread
 * at a time. Values are nanoseconds.
 */
#ifndef TCPDWELL_HIST_H
#define TCPDWELL_HIST_H

#include <stdint.h>

#include "buckets.h"

struct hist {
	uint64_t count;
	uint64_t min_ns; /* of no use while count is 0 */
	uint64_t max_ns;
	uint64_t buckets[BUCKETS];
};

void hist_add(struct hist *hist, uint64_t ns);

/*
 * Adds @times values that bucket @index has taken elsewhere. Its bounds are all that is known of
 * them, until hist_set_max() says what the greatest of all is.
 */
void hist_add_bucket(struct hist *hist, unsigned int index, uint64_t times);
void hist_set_max(struct hist *hist, uint64_t ns);

/* Adds all of @from to @into. */
void hist_merge(struct hist *into, const struct hist *from);

/*
 * The value that @percent of all values do not exceed (nearest rank): the middle of its bucket,
 * never outside of min and max. @percent is 0 to 100. 0 if the histogram is empty.
 */
uint64_t hist_percentile(const struct hist *hist, double percent);

/* How many values lie in [2^power, 2^(power+1)), with 0 in the first. @power is 0 to 63. */
uint64_t hist_power_count(const struct hist *hist, unsigned int power);

/* The first value of that range, and the one behind it; of the last range the greatest there is. */
uint64_t hist_power_lowest(unsigned int power);
uint64_t hist_power_end(unsigned int power);

/*
 * How many marks a bar for @count has where one for @fullest has @width, rounded up. @fullest is
 * neither 0 nor less than @count.
 */
unsigned int hist_marks(uint64_t count, uint64_t fullest, unsigned int width);

#endif /* TCPDWELL_HIST_H */
