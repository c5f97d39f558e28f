/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an export is made of, for the files that it is made of: export_table.c has the metrics,
 * export_groups.c whom series are of, export_series.c what is counted, export_sums.c what the
 * kernel side has summed, export_each.c what is shown, export.c looks, start and end. Others see
 * export.h alone.
 */
#ifndef TCPDWELL_EXPORT_INSIDE_H
#define TCPDWELL_EXPORT_INSIDE_H

#include "model/export.h"

struct group {
	struct export_labels labels;
	uint64_t since_ns; /* nothing was counted of it before; 0: the start */
	uint64_t seen_ns;
	uint32_t hash;
	bool used;
};

struct series {
	uint32_t group;
	uint16_t metric;
	uint16_t part;
	double value;
	struct export_dwells *dwells;
};

/* A table of numbers, by hash: one more than what it stands for, 0: free. */
struct slots {
	uint32_t *items;
	uint32_t count; /* a power of two */
};

struct export
{
	const char *by[EXPORT_LABELS];
	uint32_t max_series;
	uint64_t before_ns; /* the look before, 0: there was none */
	uint64_t now_ns;
	struct group *groups;
	uint32_t group_count, group_room;
	uint32_t chosen; /* groups that options chose */
	struct slots group_slots;
	struct series *series;
	uint32_t count, room;
	struct slots slots;
	uint32_t lines[EXPORT_METRICS]; /* but for those of `other` */
	uint32_t other_lines[EXPORT_METRICS];
	uint64_t beyond[EXPORT_METRICS];
	uint64_t forgotten;
};

static inline uint32_t slot_begin(const struct slots *slots, uint32_t hash)
{
	return hash & (slots->count - 1);
}

static inline uint32_t slot_next(const struct slots *slots, uint32_t slot)
{
	return (slot + 1) & (slots->count - 1);
}

static inline void slots_put(struct slots *slots, uint32_t hash, uint32_t number)
{
	uint32_t slot = slot_begin(slots, hash);

	while (slots->items[slot])
		slot = slot_next(slots, slot);
	slots->items[slot] = number + 1;
}

/* Empty, and at least twice as many as @entries. Returns 0 or -ENOMEM, then nothing has changed. */
int slots_make(struct slots *slots, uint32_t entries);

/* None is taken any more. */
void slots_clear(struct slots *slots);

static inline uint32_t mix(uint32_t hash)
{
	hash = (hash ^ hash >> 16) * 0x7feb352du;
	hash = (hash ^ hash >> 15) * 0x846ca68bu;
	return hash ^ hash >> 16;
}

/* Lines of one series, and parts of a group, at the most. */
uint32_t metric_lines(uint32_t metric);
uint32_t metric_parts(uint32_t metric);

/* Returns its number, or @otherwise if there is no memory. */
uint32_t group_add(struct export *export, const struct export_labels *labels, uint32_t otherwise);

int groups_grow(struct export *export);
bool group_is_gone(const struct export *export, uint32_t number);

/* Those that are gone. */
void groups_drop(struct export *export);
void groups_free(struct export *export);

/* The one to count in. NULL: no memory. */
struct series *series_of(struct export *export, uint32_t metric, uint32_t group, uint32_t part);

int series_grow(struct export *export);

/* Those of groups that are gone, and what says nothing unless it is said again. */
void series_drop(struct export *export);
void series_free(struct export *export);

#endif /* TCPDWELL_EXPORT_INSIDE_H */
