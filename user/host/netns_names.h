/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The names that ip-netns(8) has given to network namespaces, by inode: what is mounted in
 * /run/netns.
 *
 * The kernel gives the inode of a namespace that has ended to the next one, so a name holds from
 * when it was found: the folder is looked at again for what is younger than the last look, and read
 * again if it has changed. Of what may be of another namespace nothing is said. Memory is bounded.
 * One thread at a time.
 */
#ifndef TCPDWELL_NETNS_NAMES_H
#define TCPDWELL_NETNS_NAMES_H

#include <stdint.h>

struct netns_names;

/* Names beyond these are not known. */
#define NETNS_NAMES_MAX 16384

/* @root stands for `/`, "" for the real one. Returns NULL with errno set. The caller frees it. */
struct netns_names *netns_names_new(const char *root);

/* NULL-safe. */
void netns_names_free(struct netns_names *names);

/*
 * The name that namespace @inode had at @time_ns of CLOCK_MONOTONIC, or NULL. Valid until the next
 * call. @names may be NULL: then none is known.
 */
const char *netns_names_find(struct netns_names *names, uint32_t inode, uint64_t time_ns);

#endif /* TCPDWELL_NETNS_NAMES_H */
