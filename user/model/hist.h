/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A log-linear histogram of durations, fixed in size. Each power of two has 32 buckets of equal
 * width, so any value is known to 1/32, and what hist_percentile() returns is at most 1/64 off.
 *
 * A struct hist belongs to the caller, takes 15 KiB, and is empty when all zero. No allocation, no
 * errors. One thread at a time. Values are nanoseconds.
 */
#ifndef TCPDWELL_HIST_H
#define TCPDWELL_HIST_H

#include <stdint.h>

#include "buckets.h"

struct hist {
	uint64_t count;
	uint64_t min_ns; /* undefined while count is 0 */
	uint64_t max_ns;
	uint64_t buckets[BUCKETS];
};

void hist_add(struct hist *hist, uint64_t ns);

/*
 * Adds @times values that bucket @index of another histogram holds. Only the bounds of the bucket
 * are known of them, until hist_set_max() sets the greatest value.
 */
void hist_add_bucket(struct hist *hist, unsigned int index, uint64_t times);
void hist_set_max(struct hist *hist, uint64_t ns);

/* Adds all of @from to @into. */
void hist_merge(struct hist *into, const struct hist *from);

/*
 * Returns the value that @percent of all values do not exceed (nearest rank): the middle of its
 * bucket, limited to min and max. @percent is 0 to 100. Returns 0 if the histogram is empty.
 */
uint64_t hist_percentile(const struct hist *hist, double percent);

/*
 * Returns how many values lie in [2^power, 2^(power+1)); the first range includes 0. @power is 0 to
 * 63.
 */
uint64_t hist_power_count(const struct hist *hist, unsigned int power);

/*
 * Return the first value of that range, and the one behind its last; for the last range, the
 * greatest value there is.
 */
uint64_t hist_power_lowest(unsigned int power);
uint64_t hist_power_end(unsigned int power);

/*
 * Returns how many marks a bar for @count has, rounded up, if one for @fullest has @width. @fullest
 * is neither 0 nor less than @count.
 */
unsigned int hist_marks(uint64_t count, uint64_t fullest, unsigned int width);

#endif /* TCPDWELL_HIST_H */
