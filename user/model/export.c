// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_inside.h"

void export_look(struct export *e, uint64_t now_ns)
{
	e->before_ns = e->now_ns;
	e->now_ns = now_ns;
	series_drop(e);
	groups_drop(e);
}

uint64_t export_forgotten(const struct export *e)
{
	return e->forgotten;
}

uint32_t export_lines(const struct export *e, enum export_metric metric)
{
	return e->lines[metric] + e->other_lines[metric];
}

uint64_t export_beyond(const struct export *e, enum export_metric metric)
{
	return e->beyond[metric];
}

/* ---- Start and end ---- */

/* Adds the two groups with fixed numbers. */
static int add_fixed(struct export *e)
{
	const struct export_labels none = {}, other = {
		.name = { e->by[0], e->by[1] },
		.value = { "other", "other" },
	};

	e->group_count = 0;
	if (group_add(e, &other, EXPORT_NOBODY) != EXPORT_OTHER ||
	    group_add(e, &none, EXPORT_OTHER) != EXPORT_NOBODY)
		return -ENOMEM;
	return 0;
}

struct export *export_new(const char *const by[EXPORT_LABELS], uint32_t max_series)
{
	struct export *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	memcpy(e->by, by, sizeof(e->by));
	e->max_series = max_series;
	if (!groups_grow(e) && !series_grow(e) && !add_fixed(e))
		return e;
	export_free(e);
	errno = ENOMEM;
	return NULL;
}

void export_free(struct export *e)
{
	if (!e)
		return;
	groups_free(e);
	series_free(e);
	free(e);
}
