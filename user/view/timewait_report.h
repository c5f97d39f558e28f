/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The figures of `tcpdwell timewait` as text for people, 80 columns, worst first. Pure.
 *
 * Ends and process names are escaped. A pair of addresses that is too long for its column has a
 * line of its own, and the figures stand below it.
 */
#ifndef TCPDWELL_TIMEWAIT_REPORT_H
#define TCPDWELL_TIMEWAIT_REPORT_H

#include <stdio.h>

#include "host/netns_walk.h"
#include "model/timewait.h"

struct summary;

/* What was there at the start, and where it was not to be known. */
struct timewait_scope {
	const char *old_unknown; /* why the old ones are not known, NULL: they are */
	unsigned int closed;	 /* as netns_walk() tells */
};

/*
 * The whole report on @out, whose errors are the caller's to see. @summary is NULL while the tool
 * runs: then the parts that are only worth reading at the end are left out.
 */
void timewait_report(FILE *out, const struct timewait_figures *figures,
		     const struct timewait_scope *scope, const struct summary *summary);

#endif /* TCPDWELL_TIMEWAIT_REPORT_H */
