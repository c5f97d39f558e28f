/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The paths of cgroups, by the id that the kernel side reports: on 64-bit kernels the inode number
 * of the cgroup's directory.
 *
 * What exists is read once at start, so that a cgroup keeps its name after it was removed. An id
 * that is new is asked of the kernel by file handle; without the capability for that
 * (CAP_DAC_READ_SEARCH) the hierarchy is walked again, at most ten times a second. What has no name
 * is remembered for so long, so that rows without one stay cheap. Memory is bounded: at CGROUP_MAX
 * names all are forgotten and the living ones read again.
 *
 * One thread at a time.
 */
#ifndef TCPDWELL_CGROUP_H
#define TCPDWELL_CGROUP_H

#include <stdint.h>

struct cgroup_names;

/* More cgroups than any one host is known to run; at some 150 bytes each this is 10 MB. */
#define CGROUP_MAX 65536

/*
 * Finds the cgroup2 mount below the directory @root, "" for the real one. Returns NULL with errno
 * set: ENOENT if cgroup2 is not mounted. The caller frees it.
 */
struct cgroup_names *cgroup_names_new(const char *root);

/* NULL-safe. */
void cgroup_names_free(struct cgroup_names *names);

/*
 * The path of cgroup @id relative to the mount, "/" for the root; NULL if it is not known. @now_ns
 * is any monotonic time, a row's will do. The string is valid until the next call. @names may be
 * NULL: then no name is known.
 */
const char *cgroup_names_path(struct cgroup_names *names, uint64_t id, uint64_t now_ns);

#endif /* TCPDWELL_CGROUP_H */
