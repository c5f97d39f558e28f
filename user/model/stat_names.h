/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The groups of `stat` that are made of cgroups in user space: which group a cgroup is in, by its
 * unit, container, pod or by itself, and what that is called. Groups are told apart by what stays:
 * a container by its id, a pod by its UID; their names may come, or change, later.
 *
 * Memory is bounded: what finds no place is in no group that is known. Pure. One thread at a time.
 */
#ifndef TCPDWELL_STAT_NAMES_H
#define TCPDWELL_STAT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/name_book.h"
#include "stat.h"

struct stat_names;

/* Groups that are remembered: some 500 bytes each. */
#define STAT_NAMES_MAX 65536

/* Whether groups by @by are made here. */
static inline bool stat_names_make(enum tcpdwell_stat_by by)
{
	return by == TCPDWELL_BY_CGROUP || (by >= TCPDWELL_BY_UNIT && by <= TCPDWELL_BY_POD);
}

/* What a group is called. NULL: not known, or there is none. */
struct stat_name {
	uint64_t cgroup_id; /* by cgroup */
	const char *path;   /* likewise */
	const char *texts[CONTAINER_TEXTS];
	const char *pod_uid;
};

/* @by is one that stat_names_make(). Returns NULL with errno set. The caller frees it. */
struct stat_names *stat_names_new(enum tcpdwell_stat_by by);

/* NULL-safe. */
void stat_names_free(struct stat_names *names);

/*
 * The group that the cgroup is in, whose names become those of @cgroup, which is NULL where it is
 * not known. 0: it is in none, or nobody knows.
 */
uint32_t stat_names_add(struct stat_names *names, uint64_t cgroup_id,
			const struct named_cgroup *cgroup);

/* What group @number is called, from 1 to stat_names_count(). Valid until the next call of add. */
const struct stat_name *stat_names_at(const struct stat_names *names, uint32_t number);
uint32_t stat_names_count(const struct stat_names *names);

#endif /* TCPDWELL_STAT_NAMES_H */
