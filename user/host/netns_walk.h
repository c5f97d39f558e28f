/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Goes into each network namespace of the host that has a process or a name, one after another, and
 * back. Only the calling thread moves.
 *
 * Other namespaces than the caller's own need CAP_SYS_ADMIN (and CAP_SYS_PTRACE for those of
 * others' processes); without it they are counted as closed.
 */
#ifndef TCPDWELL_NETNS_WALK_H
#define TCPDWELL_NETNS_WALK_H

#include <stdbool.h>
#include <stdint.h>

/* More namespaces than a host has pods. Those beyond it are passed over. */
#define NETNS_WALK_MAX 16384

struct netns_place {
	uint32_t inode;
	const char *name; /* of ip-netns(8), NULL: none; valid during the call */
	bool own;	  /* the caller's */
};

/* Called inside of the namespace. Returns 0 to go on, or -errno, which ends the walk. */
typedef int netns_walk_visit(void *context, const struct netns_place *place);

/*
 * Visits each namespace once, the own one first; only that of inode @only if it is not 0. @closed
 * gets how many could not be entered. Returns 0, what a visit returned, or -errno if there is no
 * memory or the thread could not come back.
 */
int netns_walk(uint32_t only, netns_walk_visit *visit, void *context, unsigned int *closed);

#endif /* TCPDWELL_NETNS_WALK_H */
