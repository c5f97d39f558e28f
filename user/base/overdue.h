/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts requests that are overdue: their timer ran out, and the kernel ran no program for it.
 * Requests that were folded in a flood are remembered nowhere, so only this count tells of them.
 *
 * No errors. One thread.
 */
#ifndef TCPDWELL_OVERDUE_H
#define TCPDWELL_OVERDUE_H

#include <stdint.h>

#include "wire.h"

/* Must be all zero at the start. */
struct overdue {
	int64_t left[TCPDWELL_TIMER_SECONDS]; /* of each second, when it was last over */
};

/*
 * Returns how many requests are overdue since the start. @timers says how many timers each of @cpus
 * has armed and taken off (struct tcpdwell_timers), and @now is the present second. Timers of the
 * last two seconds are not counted yet. The count is too low if timers that were armed before the
 * programs were there run out since.
 */
uint64_t overdue_count(struct overdue *overdue, const struct tcpdwell_timers *timers,
		       unsigned int cpus, uint32_t now);

#endif /* TCPDWELL_OVERDUE_H */
