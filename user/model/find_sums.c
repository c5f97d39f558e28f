// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about how connections end, where only sums of groups are known. They are those of
 * find_ends.c and find_failing.c, of a group in place of a process and service.
 */
#include "model/finders.h"

/*
 * Fewer failures than this may be of so many destinations that none has FINDER_FAILURES, and that
 * they are less than FINDER_FAILING_MANY.
 */
#define FAILED_SURELY ((FINDER_FAILING_MANY - 1) * (FINDER_FAILURES - 1) + 1)

static void add(struct finder *finder, enum finding_id id, enum finding_severity severity,
		uint64_t count)
{
	struct finding *finding = finder_add(finder, id, severity);

	if (finding)
		finding->count = count;
}

/* Which side resets is not known, so a server's brief resets count as checks, too. */
static void find_resets(struct finder *finder, const struct fact_sum *sum)
{
	for (unsigned int i = 0; i < FACT_RESETS; i++) {
		uint64_t resets = sum->resets[i] -
				  finder_checks(sum->brief[i], finder->facts->span_ns);
		uint64_t share = finder_percent(resets, sum->ends);

		if (resets >= FINDER_RESETS && share >= FINDER_RESETS_PERCENT)
			add(finder, FINDING_RESETS,
			    share >= FINDER_RESETS_MANY_SHARE ? FINDING_WARNING : FINDING_NOTE,
			    resets);
	}
}

/* find_failing.c reports calls that returned the error themselves. */
static void find_later_errors(struct finder *finder, const struct fact_sum *sum)
{
	for (unsigned int i = 0; i < FACT_ERRORS; i++)
		if (sum->failed[i] >= sum->calls[i] + FAILED_SURELY)
			add(finder, FINDING_CONNECT_FAILING, FINDING_WARNING,
			    sum->failed[i] - sum->calls[i]);
}

void find_sums(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->sum_count; i++) {
		const struct fact_sum *sum = &finder->facts->sums[i];

		if (sum->silent >= FINDER_DIED)
			add(finder, FINDING_KEEPALIVE_DIED, FINDING_NOTE, sum->silent);
		if (sum->unacknowledged >= FINDER_DIED)
			add(finder, FINDING_HALF_OPEN, FINDING_WARNING, sum->unacknowledged);
		find_resets(finder, sum);
		if (finder->facts->sums_of_programs)
			find_later_errors(finder, sum);
	}
}
