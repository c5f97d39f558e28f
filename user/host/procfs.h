/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads /proc. Each function takes the directory that stands for `/`, "" for the real one, so that
 * tests can bring a /proc of their own. Returns 0 or -errno. Any thread.
 */
#ifndef TCPDWELL_PROCFS_H
#define TCPDWELL_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"

/* Returns 0 if /proc is mounted, or -1 with @failure filled. Nothing works without it. */
int procfs_check(struct failure *failure);

/* A line of /proc/self/mountinfo, which is valid during the visit; see proc(5). */
struct procfs_mount {
	const char *root; /* what is mounted of the file system: "/", or net:[4026532008] of nsfs */
	char *point;
	const char *type;
};

/* Returns true to go on. */
typedef bool procfs_mount_visit(void *context, const struct procfs_mount *mount);

/*
 * Visits the mounts of the process's mount namespace. A mount that covers another one comes after
 * it.
 */
int procfs_each_mount(const char *root, procfs_mount_visit *visit, void *context);

/*
 * Finds where cgroup2 is mounted, by /proc/self/mountinfo, without @root in front. A mount of the
 * whole hierarchy is preferred to one of a part. Returns -ENOENT if there is none, -ENAMETOOLONG if
 * @size is too small.
 */
int procfs_cgroup2_mount(const char *root, char *path, size_t size);

/*
 * Finds the addresses of kernel symbols: for each of @count names the one in /proc/kallsyms, or 0
 * if there is none or the kernel hides it (kptr_restrict).
 */
int procfs_symbols(const char *root, const char *const names[], uint64_t addresses[], size_t count);

/*
 * Returns true if the caller's process numbers are the kernel's: it is in the initial PID
 * namespace, or nothing says that it is not.
 */
bool procfs_pids_are_the_kernels(const char *root);

/*
 * Returns how far CLOCK_MONOTONIC of the process's time namespace is ahead of the kernel's own,
 * with which BPF programs and sockets stamp; see time_namespaces(7). Returns 0 if there are no such
 * namespaces.
 */
int64_t procfs_monotonic_offset_ns(const char *root);

#endif /* TCPDWELL_PROCFS_H */
