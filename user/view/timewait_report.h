/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The figures of `tcpdwell timewait` as text for people, in 80 columns, worst first. Pure.
 *
 * Ends and names of processes are escaped. A pair of addresses that is too long for its column gets
 * a line of its own, and its figures follow on the next one.
 */
#ifndef TCPDWELL_TIMEWAIT_REPORT_H
#define TCPDWELL_TIMEWAIT_REPORT_H

#include <stdio.h>

#include "host/netns_walk.h"
#include "model/timewait.h"

struct summary;

/* What is known of the start. */
struct timewait_scope {
	const char *old_unknown; /* why the old ones are not known; NULL: they are */
	unsigned int closed;	 /* as netns_walk() counts them */
};

/*
 * Prints the whole report. The caller checks @out for errors. @summary is NULL while the tool runs;
 * then the parts that matter only at the end are left out.
 */
void timewait_report(FILE *out, const struct timewait_figures *figures,
		     const struct timewait_scope *scope, const struct summary *summary);

#endif /* TCPDWELL_TIMEWAIT_REPORT_H */
