/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets that exist now: goes through all descriptors of all processes, then through the hash
 * tables of each network namespace that can be entered (netns_walk.h).
 *
 * What is found gets into the kernel side's map of connections by itself, so that the first
 * transition of a socket carries its owner and the least that its dwell can be. One thread.
 */
#ifndef TCPDWELL_SNAPSHOT_H
#define TCPDWELL_SNAPSHOT_H

#include "base/event.h"
#include "base/failure.h"
#include "base/notice.h"

struct loader;

/*
 * Takes a snapshot; to be called when the tracepoint is attached, if it is to be. @take gets
 * an event for each socket, where the loader was asked for records, and may be NULL. @closed
 * gets the number of namespaces that could not be entered. Returns 0, or -1 with @failure filled.
 */
int snapshot_take(struct loader *loader, event_take *take, void *context, unsigned int *closed,
		  struct failure *failure);

/* The same where it is no failure if the kernel refuses the iterators: @take gets what it gets. */
int snapshot_take_if_can(struct loader *loader, event_take *take, void *context,
			 unsigned int *closed, struct failure *failure);

/* Says what the snapshot does not know, if anything. */
void snapshot_warn(const struct notice *notice, unsigned int closed);

#endif /* TCPDWELL_SNAPSHOT_H */
