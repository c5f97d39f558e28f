/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is read from /proc. Every function takes the directory that stands for `/`, "" for the real
 * one, so that tests bring a /proc of their own. Returns 0 or -errno. Any thread.
 */
#ifndef TCPDWELL_PROCFS_H
#define TCPDWELL_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line of /proc/self/mountinfo, valid during the visit; see proc(5). */
struct procfs_mount {
	const char *root; /* what of the file system is mounted: "/", or net:[4026532008] of nsfs */
	char *point;
	const char *type;
};

/* Returns whether to go on. */
typedef bool procfs_mount_visit(void *context, const struct procfs_mount *mount);

/* Visits what is mounted in the process's mount namespace, what covers another after it. */
int procfs_each_mount(const char *root, procfs_mount_visit *visit, void *context);

/*
 * Where cgroup2 is mounted, from /proc/self/mountinfo, without @root in front. A mount of the whole
 * hierarchy is preferred to one of a part. -ENOENT if there is none, -ENAMETOOLONG if @size is too
 * small.
 */
int procfs_cgroup2_mount(const char *root, char *path, size_t size);

/*
 * The addresses of kernel symbols: for each of @count names the one in /proc/kallsyms, 0 where
 * there is none or where the kernel hides it (kptr_restrict).
 */
int procfs_symbols(const char *root, const char *const names[], uint64_t addresses[], size_t count);

/*
 * Whether the caller's process numbers are the kernel's: it is in the initial PID namespace, or
 * nothing says that it is not.
 */
bool procfs_pids_are_the_kernels(const char *root);

/*
 * How far CLOCK_MONOTONIC of the process's time namespace is ahead of the kernel's own, which BPF
 * programs and sockets stamp with; see time_namespaces(7). 0 where there are none.
 */
int64_t procfs_monotonic_offset_ns(const char *root);

#endif /* TCPDWELL_PROCFS_H */
