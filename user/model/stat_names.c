// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "model/stat_names.h"

#define SLOTS (2 * STAT_NAMES_MAX)

struct group {
	char *identity;
	struct stat_name name;
};

struct stat_names {
	enum tcpdwell_stat_by by;
	uint32_t count;
	struct group *groups;
	uint32_t slots[SLOTS]; /* hash table by identity: a group's number; 0: free */
};

/* ---- What a group is called ------------------------------------------------------------------ */

static void set(const char **text, const char *now)
{
	if (now && *text && !strcmp(now, *text))
		return;
	free((char *)*text);
	*text = now ? strdup(now) : NULL;
}

/*
 * Returns true if the text is the same for all cgroups of the group. Those of one unit or pod have
 * different containers, so a container's texts are left out.
 */
static bool has_text(enum tcpdwell_stat_by by, enum container_text which)
{
	switch (by) {
	case TCPDWELL_BY_UNIT:
		return which == CONTAINER_UNIT;
	case TCPDWELL_BY_POD:
		return which == CONTAINER_POD || which == CONTAINER_POD_NAMESPACE;
	default:
		return true;
	}
}

static void take_names(struct stat_name *name, enum tcpdwell_stat_by by,
		       const struct named_cgroup *cgroup)
{
	if (!cgroup)
		return;
	if (by == TCPDWELL_BY_CGROUP)
		set(&name->path, cgroup->path);
	for (unsigned int i = 0; i < CONTAINER_TEXTS; i++)
		if (has_text(by, i))
			set(&name->texts[i], cgroup->texts[i]);
	if (by != TCPDWELL_BY_UNIT)
		set(&name->pod_uid, cgroup->pod_uid);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

/* Returns what identifies the group; NULL: there is none. */
static const char *identity_of(enum tcpdwell_stat_by by, uint64_t cgroup_id,
			       const struct named_cgroup *cgroup, char number[24])
{
	if (by == TCPDWELL_BY_CGROUP && cgroup_id) {
		snprintf(number, 24, "%" PRIu64, cgroup_id);
		return number;
	}
	if (!cgroup)
		return NULL;
	switch (by) {
	case TCPDWELL_BY_UNIT:
		return cgroup->texts[CONTAINER_UNIT];
	case TCPDWELL_BY_CONTAINER:
		return cgroup->texts[CONTAINER_ID] ?: cgroup->texts[CONTAINER_LABEL];
	case TCPDWELL_BY_POD:
		return cgroup->pod_uid;
	default:
		return NULL;
	}
}

/* Returns the slot that @identity has or would have. Half of all slots stay free. */
static uint32_t *slot_of(struct stat_names *names, const char *identity)
{
	uint32_t hash = fnv32(FNV32_BEGIN, identity, strlen(identity));

	while (names->slots[hash % SLOTS] &&
	       strcmp(names->groups[names->slots[hash % SLOTS] - 1].identity, identity))
		hash++;
	return &names->slots[hash % SLOTS];
}

/* Returns true if there was room and memory. */
static bool add_group(struct stat_names *names, const char *identity, uint64_t cgroup_id)
{
	struct group *groups = names->groups;

	if (names->count == STAT_NAMES_MAX)
		return false;
	/* At a power of two the array is full. */
	if (!(names->count & (names->count - 1))) {
		groups = reallocarray(groups, 2 * names->count + 1, sizeof(*groups));
		if (!groups)
			return false;
		names->groups = groups;
	}
	groups[names->count] = (struct group){ .identity = strdup(identity) };
	if (!groups[names->count].identity)
		return false;
	if (names->by == TCPDWELL_BY_CGROUP)
		groups[names->count].name.cgroup_id = cgroup_id;
	names->count++;
	return true;
}

uint32_t stat_names_add(struct stat_names *names, uint64_t cgroup_id,
			const struct named_cgroup *cgroup)
{
	char number[24];
	const char *identity = identity_of(names->by, cgroup_id, cgroup, number);
	uint32_t *slot;

	if (!identity)
		return 0;
	slot = slot_of(names, identity);
	if (!*slot) {
		if (!add_group(names, identity, cgroup_id))
			return 0;
		*slot = names->count;
	}
	take_names(&names->groups[*slot - 1].name, names->by, cgroup);
	return *slot;
}

const struct stat_name *stat_names_at(const struct stat_names *names, uint32_t number)
{
	static const struct stat_name none;

	return names && number && number <= names->count ? &names->groups[number - 1].name : &none;
}

uint32_t stat_names_count(const struct stat_names *names)
{
	return names->count;
}

struct stat_names *stat_names_new(enum tcpdwell_stat_by by)
{
	struct stat_names *names = calloc(1, sizeof(*names));

	if (names)
		names->by = by;
	return names;
}

void stat_names_free(struct stat_names *names)
{
	if (!names)
		return;
	for (uint32_t i = 0; i < names->count; i++) {
		struct group *group = &names->groups[i];

		free(group->identity);
		free((char *)group->name.path);
		free((char *)group->name.pod_uid);
		for (unsigned int j = 0; j < CONTAINER_TEXTS; j++)
			free((char *)group->name.texts[j]);
	}
	free(names->groups);
	free(names);
}
