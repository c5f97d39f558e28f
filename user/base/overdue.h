/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests that are overdue: their timer ran out, and the kernel ran no program for it. Those that
 * a flood has folded are remembered nowhere, so this is all that tells of them.
 *
 * No errors. One thread.
 */
#ifndef TCPDWELL_OVERDUE_H
#define TCPDWELL_OVERDUE_H

#include <stdint.h>

#include "wire.h"

/* Zeroed at the start. */
struct overdue {
	int64_t left[TCPDWELL_TIMER_SECONDS]; /* of each second that is over, when it was last */
};

/*
 * How many there are since the start, by the timers that each of @cpus has armed and taken off, in
 * second @now (struct tcpdwell_timers). Those of the last two seconds are not counted yet. Fewer
 * than there are if some were armed before the programs were there, and run out since.
 */
uint64_t overdue_count(struct overdue *overdue, const struct tcpdwell_timers *timers,
		       unsigned int cpus, uint32_t now);

#endif /* TCPDWELL_OVERDUE_H */
