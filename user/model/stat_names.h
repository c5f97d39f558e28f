/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The groups of `stat` that user space makes from cgroups: which group a cgroup belongs to, by its
 * unit, container or pod, or by itself, and what the group is called. A group is identified by what
 * stays the same: a container by its id, a pod by its UID. Its names may come, or change, later.
 *
 * Memory is bounded: a cgroup that finds no room is in no known group. Pure. One thread at a time.
 */
#ifndef TCPDWELL_STAT_NAMES_H
#define TCPDWELL_STAT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/name_book.h"
#include "stat.h"

struct stat_names;

/* How many groups are remembered; each takes about 500 bytes. */
#define STAT_NAMES_MAX 65536

/* Returns true if groups by @by are made here. */
static inline bool stat_names_make(enum tcpdwell_stat_by by)
{
	return by == TCPDWELL_BY_CGROUP || (by >= TCPDWELL_BY_UNIT && by <= TCPDWELL_BY_POD);
}

/* What a group is called. NULL: not known, or there is none. */
struct stat_name {
	uint64_t cgroup_id; /* for groups by cgroup */
	const char *path;   /* likewise */
	const char *texts[CONTAINER_TEXTS];
	const char *pod_uid;
};

/*
 * @by must be one for which stat_names_make() returns true. Returns NULL with errno set. The caller
 * frees the names.
 */
struct stat_names *stat_names_new(enum tcpdwell_stat_by by);

/* NULL-safe. */
void stat_names_free(struct stat_names *names);

/*
 * Returns the group that the cgroup is in, and gives it the names of @cgroup, which is NULL if they
 * are not known. Returns 0 if the cgroup is in no group, or if that is not known.
 */
uint32_t stat_names_add(struct stat_names *names, uint64_t cgroup_id,
			const struct named_cgroup *cgroup);

/*
 * Returns what group @number is called; numbers go from 1 to stat_names_count(). Valid until the
 * next stat_names_add().
 */
const struct stat_name *stat_names_at(const struct stat_names *names, uint32_t number);
uint32_t stat_names_count(const struct stat_names *names);

#endif /* TCPDWELL_STAT_NAMES_H */
