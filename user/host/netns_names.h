/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the names that ip-netns(8) has given to network namespaces, by inode. They are mounted in
 * /run/netns.
 *
 * The kernel gives the inode of a namespace that has ended to the next one. So a name holds only
 * from the time at which it was found. For a time after the last look the kernel is asked whether
 * something was mounted, and the names are read again if so. If the name may be that of another
 * namespace, none is returned. Memory is bounded. One thread at a time.
 */
#ifndef TCPDWELL_NETNS_NAMES_H
#define TCPDWELL_NETNS_NAMES_H

#include <stdint.h>

struct netns_names;

/* The most names that are known. */
#define NETNS_NAMES_MAX 16384

/* @root stands for `/`, "" for the real one. Returns NULL with errno set. The caller frees it. */
struct netns_names *netns_names_new(const char *root);

/* NULL-safe. */
void netns_names_free(struct netns_names *names);

/*
 * Returns the name that namespace @inode had at @time_ns of CLOCK_MONOTONIC, or NULL. It is valid
 * until the next call. @names may be NULL: no name is known then.
 */
const char *netns_names_find(struct netns_names *names, uint32_t inode, uint64_t time_ns);

#endif /* TCPDWELL_NETNS_NAMES_H */
