// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/compare.h"
#include "base/fnv.h"
#include "model/odometer.h"

struct reading {
	uint64_t key;
	uint64_t value;
};

struct readings {
	struct reading *items;
	size_t count, room;
};

/* The readings of the last look, sorted, and those of this one. */
struct odometer {
	struct readings before, now;
};

struct odometer *odometer_new(void)
{
	return calloc(1, sizeof(struct odometer));
}

void odometer_free(struct odometer *o)
{
	if (!o)
		return;
	free(o->before.items);
	free(o->now.items);
	free(o);
}

uint64_t odometer_key(uint64_t kind, const void *bytes, size_t size)
{
	return fnv64(fnv64(FNV64_BEGIN, &kind, sizeof(kind)), bytes, size);
}

static int compare_readings(const void *left, const void *right)
{
	const struct reading *a = left, *b = right;

	return compare(a->key, b->key);
}

void odometer_look(struct odometer *o)
{
	struct readings before = o->before;

	o->before = o->now;
	o->now = before;
	o->now.count = 0;
	if (o->before.count)
		qsort(o->before.items, o->before.count, sizeof(*o->before.items), compare_readings);
}

static int note(struct readings *readings, const struct reading *reading)
{
	if (readings->count == readings->room) {
		size_t room = readings->room ? readings->room * 2 : 64;
		struct reading *items = reallocarray(readings->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		readings->items = items;
		readings->room = room;
	}
	readings->items[readings->count++] = *reading;
	return 0;
}

void odometer_forget(struct odometer *o, uint64_t key)
{
	const struct reading like = { .key = key };
	struct reading *before = NULL;

	for (size_t i = o->now.count; i-- > 0;)
		if (o->now.items[i].key == key)
			o->now.items[i] = o->now.items[--o->now.count];
	if (o->before.count)
		before = bsearch(&like, o->before.items, o->before.count, sizeof(like),
				 compare_readings);
	if (before)
		before->value = 0; /* odometer_keep() may keep it */
}

int odometer_keep(struct odometer *o)
{
	size_t count = o->now.count;
	int err = 0;

	if (count)
		qsort(o->now.items, count, sizeof(*o->now.items), compare_readings);
	for (size_t i = 0; i < o->before.count && !err; i++) {
		const struct reading *kept = &o->before.items[i];

		if (!count || !bsearch(kept, o->now.items, count, sizeof(*kept), compare_readings))
			err = note(&o->now, kept);
	}
	return err;
}

uint64_t odometer_grew(struct odometer *o, uint64_t key, uint64_t value)
{
	const struct reading reading = { key, value };
	const struct reading *before = NULL;

	/* If the reading were used without being noted, the next look would count it again. */
	if (note(&o->now, &reading))
		return 0;
	if (o->before.count)
		before = bsearch(&reading, o->before.items, o->before.count,
				 sizeof(*o->before.items), compare_readings);
	if (!before)
		return value;
	return value > before->value ? value - before->value : 0;
}
