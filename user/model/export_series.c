// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_inside.h"

int slots_make(struct slots *slots, uint32_t entries)
{
	uint32_t count = slots->count ?: 64;
	uint32_t *items;

	while (count < 2 * entries)
		count *= 2;
	items = calloc(count, sizeof(*items));
	if (!items)
		return -ENOMEM;
	free(slots->items);
	*slots = (struct slots){ items, count };
	return 0;
}

void slots_clear(struct slots *slots)
{
	memset(slots->items, 0, slots->count * sizeof(*slots->items));
}

static uint32_t hash_series(uint32_t metric, uint32_t group, uint32_t part)
{
	return mix(mix(group) ^ (metric << 16 | part));
}

static struct series *find_series(const struct export *e, uint32_t metric, uint32_t group,
				  uint32_t part)
{
	uint32_t slot = slot_begin(&e->slots, hash_series(metric, group, part)), number;

	for (; (number = e->slots.items[slot]); slot = slot_next(&e->slots, slot)) {
		struct series *series = &e->series[number - 1];

		if (series->group == group && series->metric == metric && series->part == part)
			return series;
	}
	return NULL;
}

static void put_series(struct export *e)
{
	for (uint32_t i = 0; i < e->count; i++)
		slots_put(&e->slots,
			  hash_series(e->series[i].metric, e->series[i].group, e->series[i].part),
			  i);
}

int series_grow(struct export *e)
{
	uint32_t room = e->room ? e->room * 2 : 256;
	struct series *series = reallocarray(e->series, room, sizeof(*series));

	if (!series)
		return -ENOMEM;
	e->series = series;
	if (slots_make(&e->slots, room))
		return -ENOMEM;
	e->room = room;
	put_series(e);
	return 0;
}

static struct series *add_series(struct export *e, uint32_t metric, uint32_t group, uint32_t part)
{
	struct export_dwells *dwells = NULL;
	struct series *series;

	if (metric_lines(metric) > 1)
		dwells = calloc(1, sizeof(*dwells));
	if ((metric_lines(metric) > 1 && !dwells) || (e->count == e->room && series_grow(e))) {
		free(dwells);
		e->forgotten++;
		return NULL;
	}
	series = &e->series[e->count];
	*series =
		(struct series){ .group = group, .metric = metric, .part = part, .dwells = dwells };
	slots_put(&e->slots, hash_series(metric, group, part), e->count++);
	*(group == EXPORT_OTHER ? &e->other_lines[metric] :
				  &e->lines[metric]) += metric_lines(metric);
	return series;
}

/* Returns true if a series fits, if `other` keeps the room that it may need. */
static bool has_room(const struct export *e, uint32_t metric)
{
	uint32_t kept = metric_lines(metric) * metric_parts(metric);

	return !export_metric_table[metric].bounded ||
	       e->lines[metric] + metric_lines(metric) + kept <= e->max_series;
}

struct series *series_of(struct export *e, uint32_t metric, uint32_t group, uint32_t part)
{
	bool beyond = group == EXPORT_NO_ROOM;
	struct series *series;

	group = export_counts_for(group);
	series = find_series(e, metric, group, part);
	if (!series && group != EXPORT_OTHER && !has_room(e, metric)) {
		beyond = true;
		group = EXPORT_OTHER;
		series = find_series(e, metric, group, part);
	}
	e->beyond[metric] += beyond;
	return series ?: add_series(e, metric, group, part);
}

void export_add(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		double more)
{
	struct series *series = series_of(e, metric, group, part);

	if (series)
		series->value += more;
}

void export_max(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		double value)
{
	struct series *series = series_of(e, metric, group, part);

	if (series && value > series->value)
		series->value = value;
}

/* A series that was not set yet does not exist, because the metric is a fleeting gauge. */
void export_min(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		double value)
{
	bool known = find_series(e, metric, group, part);
	struct series *series = series_of(e, metric, group, part);

	if (series && (!known || value < series->value))
		series->value = value;
}

/* ---- Those that are gone ---- */

static bool stays(const struct export *e, const struct series *series)
{
	return export_metric_table[series->metric].kind != EXPORT_FLEETING &&
	       !group_is_gone(e, series->group);
}

void series_drop(struct export *e)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < e->count; i++) {
		struct series *series = &e->series[i];

		if (!stays(e, series)) {
			*(series->group == EXPORT_OTHER ?
				  &e->other_lines[series->metric] :
				  &e->lines[series->metric]) -= metric_lines(series->metric);
			free(series->dwells);
			continue;
		}
		if (export_metric_table[series->metric].kind == EXPORT_GAUGE ||
		    export_metric_table[series->metric].kind == EXPORT_INFO)
			series->value = 0;
		e->series[kept++] = *series;
	}
	e->count = kept;
	slots_clear(&e->slots);
	put_series(e);
}

void series_free(struct export *e)
{
	for (uint32_t i = 0; i < e->count; i++)
		free(e->series[i].dwells);
	free(e->series);
	free(e->slots.items);
}
