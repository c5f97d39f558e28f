/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the export share: export_table.c has the metrics, export_groups.c the groups,
 * export_series.c the series, export_sums.c the sums of the kernel side, export_each.c the values
 * to show, export.c the looks, the start and the end. Other files use export.h only.
 */
#ifndef TCPDWELL_EXPORT_INSIDE_H
#define TCPDWELL_EXPORT_INSIDE_H

#include "model/export.h"

struct group {
	struct export_labels labels;
	uint64_t since_ns; /* it counted nothing before; 0: since the start */
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

/* A hash table of indexes: each item is an index plus one; 0: free. */
struct slots {
	uint32_t *items;
	uint32_t count; /* a power of two */
};

struct export
{
	const char *by[EXPORT_LABELS];
	uint32_t max_series;
	uint64_t before_ns; /* time of the look before; 0: there was none */
	uint64_t now_ns;
	struct group *groups;
	uint32_t group_count, group_room;
	uint32_t chosen; /* number of groups that options chose */
	struct slots group_slots;
	struct series *series;
	uint32_t count, room;
	struct slots slots;
	uint32_t lines[EXPORT_METRICS]; /* without those of `other` */
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

/*
 * Makes the table empty, with room for at least twice as many items as @entries. Returns 0, or
 * -ENOMEM without a change.
 */
int slots_make(struct slots *slots, uint32_t entries);

/* Empties the table. */
void slots_clear(struct slots *slots);

static inline uint32_t mix(uint32_t hash)
{
	hash = (hash ^ hash >> 16) * 0x7feb352du;
	hash = (hash ^ hash >> 15) * 0x846ca68bu;
	return hash ^ hash >> 16;
}

/* Return how many lines one series has, and how many parts a group can have. */
uint32_t metric_lines(uint32_t metric);
uint32_t metric_parts(uint32_t metric);

/* Adds a group. Returns its number, or @otherwise if there is no memory. */
uint32_t group_add(struct export *export, const struct export_labels *labels, uint32_t otherwise);

int groups_grow(struct export *export);
bool group_is_gone(const struct export *export, uint32_t number);

/* Drops the groups that are gone. */
void groups_drop(struct export *export);
void groups_free(struct export *export);

/* Returns the series to count in. NULL: no memory. */
struct series *series_of(struct export *export, uint32_t metric, uint32_t group, uint32_t part);

int series_grow(struct export *export);

/*
 * Drops the series of groups that are gone, and all fleeting ones, which must be set again at each
 * look.
 */
void series_drop(struct export *export);
void series_free(struct export *export);

#endif /* TCPDWELL_EXPORT_INSIDE_H */
