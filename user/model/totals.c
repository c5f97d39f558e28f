// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/compare.h"
#include "model/totals.h"

/* The readings of a look; sorted by inode when it ends. */
struct look {
	struct totals_reading *readings;
	size_t count, room;
	uint64_t time_ns;
};

struct totals {
	struct look now, before;
	unsigned int looks;
	uint64_t orphans, memory_bytes;
	uint64_t owed; /* connections seen open, but not yet counted as opened */
};

struct totals *totals_new(void)
{
	return calloc(1, sizeof(struct totals));
}

void totals_free(struct totals *totals)
{
	if (!totals)
		return;
	free(totals->now.readings);
	free(totals->before.readings);
	free(totals);
}

void totals_begin(struct totals *totals, uint64_t time_ns)
{
	struct look before = totals->before;

	totals->before = totals->now;
	totals->now = before;
	totals->now.count = 0;
	totals->now.time_ns = time_ns;
	totals->orphans = totals->memory_bytes = TOTALS_UNKNOWN;
	totals->looks++;
}

int totals_add(struct totals *totals, const struct totals_reading *reading)
{
	struct look *look = &totals->now;

	if (look->count == look->room) {
		size_t room = look->room ? look->room * 2 : 16;
		struct totals_reading *grown = reallocarray(look->readings, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		look->readings = grown;
		look->room = room;
	}
	look->readings[look->count++] = *reading;
	return 0;
}

void totals_host(struct totals *totals, uint64_t orphans, uint64_t memory_bytes)
{
	totals->orphans = orphans;
	totals->memory_bytes = memory_bytes;
}

/* ---- A line ---- */

static int compare_inodes(const void *left, const void *right)
{
	const struct totals_reading *a = left, *b = right;

	return compare(a->inode, b->inode);
}

static const struct totals_reading *find(const struct look *look, uint32_t inode)
{
	const struct totals_reading key = { .inode = inode };

	if (!look->count)
		return NULL;
	return bsearch(&key, look->readings, look->count, sizeof(key), compare_inodes);
}

/* Returns by how much a counter grew. @before is NULL if the namespace is new. */
static uint64_t grew(const struct totals_reading *now, const struct totals_reading *before,
		     enum totals_counter counter)
{
	uint64_t past = before ? before->counters[counter] : 0, value = now->counters[counter];

	if (value == TOTALS_UNKNOWN || past == TOTALS_UNKNOWN || value < past)
		return TOTALS_UNKNOWN;
	return value - past;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == TOTALS_UNKNOWN || b == TOTALS_UNKNOWN ? TOTALS_UNKNOWN : a + b;
}

/*
 * Returns the number of open connections. Listeners and requests are no connections yet, and those
 * in TIME_WAIT are over.
 */
static uint32_t open_now(const struct totals_reading *reading)
{
	uint32_t count = 0;

	for (unsigned int state = 1; state < TCPDWELL_STATE_MAX; state++)
		if (state != TCPDWELL_LISTEN && state != TCPDWELL_TIME_WAIT &&
		    state != TCPDWELL_CLOSE)
			count += reading->states[state];
	return count - reading->requests;
}

static void add(struct totals_line *line, const struct totals_reading *now,
		const struct totals_reading *before, int64_t *more)
{
	line->opened = sum(line->opened, sum(grew(now, before, TOTALS_ACTIVE_OPENS),
					     grew(now, before, TOTALS_PASSIVE_OPENS)));
	line->failed = sum(line->failed, grew(now, before, TOTALS_ATTEMPT_FAILS));
	line->reset = sum(line->reset, grew(now, before, TOTALS_ESTAB_RESETS));
	line->retransmitted = sum(line->retransmitted, grew(now, before, TOTALS_RETRANS_SEGS));
	for (unsigned int state = 1; state < TCPDWELL_STATE_MAX; state++)
		line->states[state] += now->states[state];
	*more += (int64_t)open_now(now) - (before ? open_now(before) : 0);
}

/*
 * Counters and sockets are not read at the same moment. So a connection that opens in between may
 * be seen open before it is counted. What is owed then is taken off the next line.
 */
static uint64_t closed(struct totals *totals, uint64_t opened, int64_t more)
{
	int64_t count;

	if (opened == TOTALS_UNKNOWN)
		return TOTALS_UNKNOWN;
	count = (int64_t)opened - more - (int64_t)totals->owed;
	totals->owed = count < 0 ? -count : 0;
	return count < 0 ? 0 : count;
}

bool totals_end(struct totals *totals, struct totals_line *line)
{
	struct look *now = &totals->now;
	int64_t more = 0;

	if (now->count)
		qsort(now->readings, now->count, sizeof(*now->readings), compare_inodes);
	*line = (struct totals_line){
		.time_ns = now->time_ns,
		.interval_ns = now->time_ns - totals->before.time_ns,
		.orphans = totals->orphans,
		.memory_bytes = totals->memory_bytes,
	};
	if (totals->looks < 2)
		return false;
	for (size_t i = 0; i < now->count; i++)
		add(line, &now->readings[i], find(&totals->before, now->readings[i].inode), &more);
	line->closed = closed(totals, line->opened, more);
	return true;
}
