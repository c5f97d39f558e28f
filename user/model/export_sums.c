// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model/export_inside.h"

/*
 * Returns the first bound that is not below the kernel side's bucket, which lies between two powers
 * of two.
 */
static unsigned int bound_of(uint64_t lowest_ns)
{
	unsigned int power = buckets_log2(lowest_ns), bound;

	if (power < EXPORT_FIRST_POWER)
		return 0;
	bound = (power - EXPORT_FIRST_POWER) / 2 + 1;
	return bound < EXPORT_BOUNDS ? bound : EXPORT_BOUNDS;
}

static void add_dwells(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		       const struct tcpdwell_stat_key *key, const struct tcpdwell_stat *stat)
{
	struct series *series = series_of(e, metric, group, part);
	unsigned int first = key->chunk * TCPDWELL_STAT_BUCKETS;

	for (unsigned int i = 0; series && i < TCPDWELL_STAT_BUCKETS; i++) {
		uint64_t lowest_ns = buckets_lowest(first + i);
		uint64_t wide_ns = first + i + 1 < BUCKETS ?
					   buckets_lowest(first + i + 1) - lowest_ns :
					   0;

		if (!stat->counts[i])
			continue;
		series->dwells->counts[bound_of(lowest_ns)] += stat->counts[i];
		series->dwells->sum_s += stat->counts[i] *
					 ((double)lowest_ns + (double)wide_ns / 2) / 1e9;
	}
}

static uint64_t rows_of(const struct tcpdwell_stat *stat)
{
	uint64_t rows = 0;

	for (unsigned int i = 0; i < TCPDWELL_STAT_BUCKETS; i++)
		rows += stat->counts[i];
	return rows;
}

static void add_carried(struct export *e, uint32_t group, const struct tcpdwell_stat *stat)
{
	export_add(e, EXPORT_BYTES, group, EXPORT_SENT, stat->counts[TCPDWELL_CARRIED_SENT]);
	export_add(e, EXPORT_BYTES, group, EXPORT_RECEIVED,
		   stat->counts[TCPDWELL_CARRIED_RECEIVED]);
	export_add(e, EXPORT_RETRANSMITTED, group, 0, stat->counts[TCPDWELL_CARRIED_AGAIN]);
}

uint64_t export_sum(struct export *e, uint32_t group, const struct tcpdwell_stat_key *key,
		    const struct tcpdwell_stat *stat)
{
	unsigned int end = key->number >> TCPDWELL_STAT_END_SHIFT;
	uint64_t rows = rows_of(stat);

	if (key->state == TCPDWELL_STAT_CARRIED) {
		add_carried(e, group, stat);
		return 0;
	}
	if (!rows)
		return 0;
	/* The wait for accept() is only summed if its length is known. */
	if (key->state == TCPDWELL_STAT_ACCEPT) {
		add_dwells(e, EXPORT_ACCEPT_WAIT, group, 0, key, stat);
		return rows;
	}
	if (end)
		export_add(e, EXPORT_CLOSES, group, end - 1, rows);
	if (key->chunk >= TCPDWELL_STAT_CHUNKS) {
		export_add(e, EXPORT_DWELL_UNKNOWN, group, key->state, rows);
		return rows;
	}
	add_dwells(e, EXPORT_DWELL, group, key->state, key, stat);
	if (!end && key->state == TCPDWELL_SYN_SENT)
		add_dwells(e, EXPORT_HANDSHAKE, group, EXPORT_CLIENT, key, stat);
	if (!end && key->state == TCPDWELL_SYN_RECV)
		add_dwells(e, EXPORT_HANDSHAKE, group, EXPORT_SERVER, key, stat);
	return rows;
}
