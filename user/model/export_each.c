// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "model/export_inside.h"

struct shown_group {
	const struct export_labels *labels;
	uint32_t number;
};

static int compare_groups(const void *left, const void *right)
{
	const struct export_labels *a = ((const struct shown_group *)left)->labels;
	const struct export_labels *b = ((const struct shown_group *)right)->labels;
	int order = 0;

	for (unsigned int i = 0; i < EXPORT_LABELS && !order; i++) {
		if (!a->name[i] || !b->name[i])
			return !!a->name[i] - !!b->name[i];
		order = strcmp(a->name[i], b->name[i]) ?: strcmp(a->value[i], b->value[i]);
	}
	return order;
}

struct shown_series {
	uint64_t rank;
	const struct series *series;
};

static int compare_series(const void *left, const void *right)
{
	const struct shown_series *a = left, *b = right;

	return compare(a->rank, b->rank);
}

/* Returns the rank of each group by its labels. NULL: no memory. */
static uint32_t *rank_groups(const struct export *e)
{
	struct shown_group *groups = calloc(e->group_count, sizeof(*groups));
	uint32_t *ranks = calloc(e->group_count, sizeof(*ranks));

	if (groups && ranks) {
		for (uint32_t i = 0; i < e->group_count; i++)
			groups[i] = (struct shown_group){ &e->groups[i].labels, i };
		qsort(groups, e->group_count, sizeof(*groups), compare_groups);
		for (uint32_t i = 0; i < e->group_count; i++)
			ranks[groups[i].number] = i;
	} else {
		free(ranks);
		ranks = NULL;
	}
	free(groups);
	return ranks;
}

/* Visits, for each bounded metric, how many series it has, or how many found no room. */
static int visit_bounds(const struct export *e, enum export_metric of, export_visit *visit,
			void *context)
{
	int err = 0;

	for (unsigned int i = 0; i < EXPORT_METRICS && !err; i++) {
		const struct export_metric_def *def = &export_metric_table[i];
		char name[64];
		const struct export_labels labels = { { "metric" }, { name } };
		const struct export_series one = {
			.metric = of,
			.labels = &labels,
			.value = of == EXPORT_BEYOND ? export_beyond(e, i) : export_lines(e, i),
		};

		snprintf(name, sizeof(name), "%s%s", def->name, export_suffix(def->kind));
		if (def->bounded)
			err = visit(context, &one);
	}
	return err;
}

int export_each(const struct export *e, export_visit *visit, void *context)
{
	struct shown_series *shown = calloc(e->count + 1, sizeof(*shown));
	uint32_t *ranks = rank_groups(e);
	int err = shown && ranks ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < e->count && !err; i++) {
		const struct series *series = &e->series[i];

		shown[i].series = series;
		shown[i].rank = (uint64_t)series->metric << 48 |
				(uint64_t)ranks[series->group] << 16 | series->part;
	}
	if (!err)
		qsort(shown, e->count, sizeof(*shown), compare_series);
	for (uint32_t i = 0; i < e->count && !err; i++) {
		const struct series *series = shown[i].series;
		const struct export_series one = {
			.metric = series->metric,
			.part = series->part,
			.labels = &e->groups[series->group].labels,
			.value = series->value,
			.dwells = series->dwells,
			.since_ns = e->groups[series->group].since_ns,
		};

		err = visit(context, &one);
	}
	free(shown);
	free(ranks);
	return err							     ?:
		       visit_bounds(e, EXPORT_METRIC_SERIES, visit, context) ?:
		       visit_bounds(e, EXPORT_BEYOND, visit, context);
}
