// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "model/export_inside.h"

/* Includes the NUL, so that two adjacent texts hash differently from one. */
static uint32_t hash_text(uint32_t hash, const char *text)
{
	size_t len = strnlen(text, EXPORT_VALUE_BYTES);

	return fnv32(fnv32(hash, text, len), "", 1);
}

static uint32_t hash_labels(const struct export_labels *labels)
{
	uint32_t hash = FNV32_BEGIN;

	for (unsigned int i = 0; i < EXPORT_LABELS && labels->name[i]; i++)
		hash = hash_text(hash_text(hash, labels->name[i]), labels->value[i]);
	return mix(hash);
}

static bool same_labels(const struct export_labels *a, const struct export_labels *b)
{
	for (unsigned int i = 0; i < EXPORT_LABELS; i++) {
		if (!a->name[i] || !b->name[i])
			return !a->name[i] && !b->name[i];
		if (strcmp(a->name[i], b->name[i]) != 0 ||
		    strncmp(a->value[i], b->value[i], EXPORT_VALUE_BYTES) != 0)
			return false;
	}
	return true;
}

static void group_clear(struct group *group)
{
	for (unsigned int i = 0; i < EXPORT_LABELS && group->labels.name[i]; i++)
		free((char *)group->labels.value[i]);
	*group = (struct group){};
}

/* Sets the labels. Their names are the caller's constants; their values are copied and cut. */
static int group_set(struct group *group, const struct export_labels *labels, uint32_t hash)
{
	*group = (struct group){ .used = true, .hash = hash };
	for (unsigned int i = 0; i < EXPORT_LABELS && labels->name[i]; i++) {
		group->labels.value[i] = strndup(labels->value[i], EXPORT_VALUE_BYTES);
		if (!group->labels.value[i]) {
			group_clear(group);
			return -ENOMEM;
		}
		group->labels.name[i] = labels->name[i];
	}
	return 0;
}

int groups_grow(struct export *e)
{
	uint32_t room = e->group_room ? e->group_room * 2 : 64;
	struct group *groups = reallocarray(e->groups, room, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	e->groups = groups;
	e->group_room = room;
	if (slots_make(&e->group_slots, room))
		return -ENOMEM;
	for (uint32_t i = 0; i < e->group_count; i++)
		if (groups[i].used)
			slots_put(&e->group_slots, groups[i].hash, i);
	return 0;
}

static uint32_t add_group(struct export *e, const struct export_labels *labels, uint32_t hash,
			  uint32_t otherwise)
{
	uint32_t number = 0;

	while (number < e->group_count && e->groups[number].used)
		number++;
	if ((number == e->group_room && groups_grow(e)) ||
	    group_set(&e->groups[number], labels, hash)) {
		e->forgotten++;
		return otherwise;
	}
	e->groups[number].since_ns = e->before_ns;
	if (number == e->group_count)
		e->group_count++;
	slots_put(&e->group_slots, hash, number);
	return number;
}

/* Returns the number of a known group, or -1. */
static int64_t find_group(const struct export *e, const struct export_labels *labels, uint32_t hash)
{
	uint32_t slot = slot_begin(&e->group_slots, hash), number;

	for (; (number = e->group_slots.items[slot]); slot = slot_next(&e->group_slots, slot)) {
		const struct group *group = &e->groups[number - 1];

		if (group->hash == hash && same_labels(&group->labels, labels))
			return number - 1;
	}
	return -1;
}

uint32_t group_add(struct export *e, const struct export_labels *labels, uint32_t otherwise)
{
	return add_group(e, labels, hash_labels(labels), otherwise);
}

static uint32_t touch(struct export *e, uint32_t number)
{
	e->groups[number].seen_ns = e->now_ns;
	return number;
}

uint32_t export_group(struct export *e, const char *first, const char *second)
{
	const struct export_labels labels = {
		.name = { e->by[0], e->by[1] },
		.value = { first, second },
	};
	uint32_t hash = hash_labels(&labels), number;
	int64_t known = find_group(e, &labels, hash);

	if (known >= 0)
		return touch(e, known);
	/* Each group has at least one series, so more groups than series never fit. */
	if (e->chosen >= e->max_series)
		return EXPORT_NO_ROOM;
	number = add_group(e, &labels, hash, EXPORT_NO_ROOM);
	if (number == EXPORT_NO_ROOM)
		return number;
	e->chosen++;
	return touch(e, number);
}

uint32_t export_named(struct export *e, const struct export_labels *labels)
{
	uint32_t hash = hash_labels(labels);
	int64_t known = find_group(e, labels, hash);

	return touch(e, known >= 0 ? (uint32_t)known : add_group(e, labels, hash, EXPORT_NOBODY));
}

/* ---- Those that are gone ---- */

bool group_is_gone(const struct export *e, uint32_t number)
{
	const struct group *group = &e->groups[number];

	return number > EXPORT_NOBODY && group->used && e->now_ns > group->seen_ns &&
	       e->now_ns - group->seen_ns > EXPORT_GONE_NS;
}

void groups_drop(struct export *e)
{
	for (uint32_t i = 0; i < e->group_count; i++) {
		if (!group_is_gone(e, i))
			continue;
		e->chosen -= e->groups[i].labels.name[0] == e->by[0];
		group_clear(&e->groups[i]);
	}
	slots_clear(&e->group_slots);
	for (uint32_t i = 0; i < e->group_count; i++)
		if (e->groups[i].used)
			slots_put(&e->group_slots, e->groups[i].hash, i);
}

void groups_free(struct export *e)
{
	for (uint32_t i = 0; i < e->group_count; i++)
		group_clear(&e->groups[i]);
	free(e->groups);
	free(e->group_slots.items);
}
