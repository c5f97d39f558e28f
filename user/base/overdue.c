// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "base/overdue.h"

/* A timer may be late by so many seconds. */
#define LATE_SECONDS 2

/*
 * Seconds that are over, out of TCPDWELL_TIMER_SECONDS. The others are still to come: the kernel
 * arms timers of requests for at most 120 s, and its timer wheel rounds that up by an eighth.
 */
#define OVER_SECONDS 128

uint64_t overdue_count(struct overdue *overdue, const struct tcpdwell_timers *timers,
		       unsigned int cpus, uint32_t now)
{
	int64_t all = 0;

	for (uint32_t ago = LATE_SECONDS; ago < OVER_SECONDS; ago++) {
		uint32_t second = (now - ago) % TCPDWELL_TIMER_SECONDS;

		overdue->left[second] = 0;
		for (unsigned int cpu = 0; cpu < cpus; cpu++)
			overdue->left[second] += timers[cpu].armed[second];
	}
	/* What was left of a second, when its turn comes again, stays in the sum. */
	for (unsigned int second = 0; second < TCPDWELL_TIMER_SECONDS; second++)
		all += overdue->left[second];
	return all > 0 ? all : 0;
}
