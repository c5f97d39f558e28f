/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Resolves names in filters by the file system: a cgroup's path, a network namespace's path.
 */
#ifndef TCPDWELL_RESOLVE_H
#define TCPDWELL_RESOLVE_H

#include <stdint.h>

#include "base/failure.h"
#include "cli/filters.h"

/* A cgroup as the kernel side knows it. */
struct cgroup_ref {
	uint64_t id;
	uint32_t level; /* the root is 0 */
};

/*
 * Finds the cgroup @path, which is below the cgroup2 mount or begins with it. Returns 0, or -1 with
 * @failure an error of use.
 */
int resolve_cgroup(const char *path, struct cgroup_ref *cgroup, struct failure *failure);

/* Finds the inode of the namespace: 0 if @netns is not set. Returns 0, or -1 as above. */
int resolve_netns(const struct netns_ref *netns, uint32_t *inode, struct failure *failure);

#endif /* TCPDWELL_RESOLVE_H */
