/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the two halves of the model of TIME_WAIT share: timewait.c takes rows and sockets,
 * timewait_figures.c computes figures. Others use timewait.h.
 */
#ifndef TCPDWELL_TIMEWAIT_INSIDE_H
#define TCPDWELL_TIMEWAIT_INSIDE_H

#include "model/notes.h"
#include "model/olds.h"
#include "model/opens.h"
#include "model/timewait.h"

struct timewait {
	uint64_t start_ns;
	bool partial;
	struct tally total;
	struct tallies *owners;
	struct tallies *remotes;
	struct tallies *lports;
	struct tallies *clients; /* by netns, laddr, raddr, rport */

	struct hist *lifetimes[TCPDWELL_REASON_MAX];
	uint64_t ended_old;
	uint64_t overflow;
	uint32_t overflow_netns;
	uint64_t refused;
	bool bound; /* bind() took some port */

	struct opens *opens;
	struct notes *notes; /* empty once all has been looked at */
	struct olds *olds;   /* NULL once the last one's time is over */
	struct hist old_left;
	unsigned int listed_count;
	struct timewait_old listed[TIMEWAIT_LISTED];

	unsigned int netns_count;
	const struct timewait_netns *netns_last; /* the last one looked up: rows come in runs */
	struct timewait_netns netns[TIMEWAIT_NETNS];
};

#endif /* TCPDWELL_TIMEWAIT_INSIDE_H */
