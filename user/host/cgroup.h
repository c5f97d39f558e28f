/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the path of a cgroup by the id that the kernel side reports. On 64-bit kernels this is the
 * inode number of the cgroup's directory.
 *
 * The cgroups that exist are read once at the start, so that a cgroup keeps its name after it was
 * removed. For a new id the kernel is asked by file handle. Without the capability for that
 * (CAP_DAC_READ_SEARCH) the hierarchy is walked again, at most ten times a second. An id that has
 * no name is remembered for as long, so that rows without a name stay cheap. Memory is bounded: at
 * CGROUP_MAX names all are forgotten, and those of living cgroups are read again.
 *
 * One thread at a time.
 */
#ifndef TCPDWELL_CGROUP_H
#define TCPDWELL_CGROUP_H

#include <stdint.h>

struct cgroup_names;

/* More cgroups than any one host is known to run. With some 150 bytes each they take 10 MB. */
#define CGROUP_MAX 65536

/*
 * Finds the cgroup2 mount below the directory @root, which is "" for the real root. Returns NULL
 * with errno set: ENOENT if cgroup2 is not mounted. The caller frees it.
 */
struct cgroup_names *cgroup_names_new(const char *root);

/* NULL-safe. */
void cgroup_names_free(struct cgroup_names *names);

/*
 * Returns the path of cgroup @id relative to the mount, "/" for the root, or NULL if it is not
 * known. @now_ns is any monotonic time, such as a row's. The string is valid until the next call.
 * @names may be NULL: no name is known then.
 */
const char *cgroup_names_path(struct cgroup_names *names, uint64_t id, uint64_t now_ns);

#endif /* TCPDWELL_CGROUP_H */
