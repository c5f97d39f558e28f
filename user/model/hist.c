// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model/hist.h"

/* Returns the middle of the values that bucket @index holds. */
static uint64_t bucket_middle(unsigned int index)
{
	unsigned int power = index >> BUCKETS_SUB_BITS;

	return buckets_lowest(index) + (power > 1 ? 1ULL << (power - 2) : 0);
}

void hist_add(struct hist *hist, uint64_t ns)
{
	if (!hist->count || ns < hist->min_ns)
		hist->min_ns = ns;
	if (!hist->count || ns > hist->max_ns)
		hist->max_ns = ns;
	hist->count++;
	hist->buckets[buckets_index(ns)]++;
}

void hist_add_bucket(struct hist *hist, unsigned int index, uint64_t times)
{
	uint64_t lowest = buckets_lowest(index);

	if (!times)
		return;
	if (!hist->count || lowest < hist->min_ns)
		hist->min_ns = lowest;
	if (lowest > hist->max_ns)
		hist->max_ns = lowest;
	hist->count += times;
	hist->buckets[index] += times;
}

void hist_set_max(struct hist *hist, uint64_t ns)
{
	if (hist->count && ns > hist->max_ns)
		hist->max_ns = ns;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	if (!from->count)
		return;
	if (!into->count || from->min_ns < into->min_ns)
		into->min_ns = from->min_ns;
	if (!into->count || from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	into->count += from->count;
	for (unsigned int i = 0; i < BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

/* Returns the rank, counted from 1, of the value that @percent of @count values do not exceed. */
static uint64_t nearest_rank(uint64_t count, double percent)
{
	double exact = percent * count / 100;
	uint64_t rank;

	/* As a double, the count may be rounded up to 2^64, which does not fit in 64 bits. */
	if (exact >= (double)count)
		return count;
	rank = exact;
	/* The product may be off in its last bit, but 99.9 % of 1000 must be 999. */
	if (exact - rank > 1e-9)
		rank++;
	if (rank < 1)
		return 1;
	return rank < count ? rank : count;
}

uint64_t hist_percentile(const struct hist *hist, double percent)
{
	uint64_t rank, below = 0, ns;
	unsigned int i = 0;

	if (!hist->count)
		return 0;
	rank = nearest_rank(hist->count, percent);
	if (rank == hist->count)
		return hist->max_ns;
	while (below + hist->buckets[i] < rank)
		below += hist->buckets[i++];
	ns = bucket_middle(i);
	if (ns < hist->min_ns)
		return hist->min_ns;
	return ns < hist->max_ns ? ns : hist->max_ns;
}

uint64_t hist_power_lowest(unsigned int power)
{
	return power ? 1ULL << power : 0;
}

uint64_t hist_power_end(unsigned int power)
{
	return power < 63 ? 2ULL << power : UINT64_MAX;
}

uint64_t hist_power_count(const struct hist *hist, unsigned int power)
{
	unsigned int end = power < 63 ? buckets_index(hist_power_end(power)) : BUCKETS;
	uint64_t count = 0;

	for (unsigned int i = buckets_index(hist_power_lowest(power)); i < end; i++)
		count += hist->buckets[i];
	return count;
}

unsigned int hist_marks(uint64_t count, uint64_t fullest, unsigned int width)
{
	return ((unsigned __int128)count * width + fullest - 1) / fullest;
}
