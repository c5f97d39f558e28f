/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The look at the sockets that exist now. It goes through all descriptors of all processes, then
 * through the hash tables of each network namespace that can be entered (netns_walk.h).
 *
 * The kernel side's programs put what they find into its map of connections. So the first
 * transition of a socket has its owner and the least that its dwell can be. One thread.
 */
#ifndef TCPDWELL_SNAPSHOT_H
#define TCPDWELL_SNAPSHOT_H

#include "base/event.h"
#include "base/failure.h"
#include "base/notice.h"

struct loader;

/*
 * Takes a snapshot. If the tracepoint is to be attached, it must be attached before. @take gets an
 * event for each socket, if the loader was asked for records. It may be NULL. @closed gets the
 * number of namespaces that could not be entered (netns_walk.h). Returns 0, or -1 with @failure
 * filled.
 */
int snapshot_take(struct loader *loader, event_take *take, void *context, unsigned int *closed,
		  struct failure *failure);

/* Does the same, but it is no failure if the kernel refuses the iterators: @take then gets less. */
int snapshot_take_if_can(struct loader *loader, event_take *take, void *context,
			 unsigned int *closed, struct failure *failure);

/* Warns of what the snapshot does not know, if anything. */
void snapshot_warn(const struct notice *notice, unsigned int closed);

#endif /* TCPDWELL_SNAPSHOT_H */
