/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The series of `export` in the two formats that Prometheus reads: its own text, version 0.0.4, and
 * OpenMetrics 1.0. Pure. What others chose (names) is escaped twice: so that it can be printed, as
 * escape.h says, and then as the formats want it.
 */
#ifndef TCPDWELL_PROMETHEUS_H
#define TCPDWELL_PROMETHEUS_H

#include <stdbool.h>
#include <stdio.h>

#include "model/export.h"

/* What HTTP calls the formats. */
#define PROMETHEUS_TEXT_TYPE	    "text/plain; version=0.0.4; charset=utf-8"
#define PROMETHEUS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Returns 0 or -ENOMEM. Errors of @out are the caller's to see. */
int prometheus_print(FILE *out, const struct export *export, bool openmetrics);

/* Where a metric's heads and samples end, in a text that has both formats. */
struct prometheus_part {
	long text_end;
	long openmetrics_end;
	long samples_end;
};

#define PROMETHEUS_PARTS EXPORT_METRICS

/*
 * Writes both formats at once, in parts: for each metric its head in the text format, that of
 * OpenMetrics, and its samples, which both have; and behind the last one the end of OpenMetrics.
 * @out is at 0 and tells where it is. Returns the number of parts, or -errno.
 */
int prometheus_print_both(FILE *out, const struct export *export,
			  struct prometheus_part parts[PROMETHEUS_PARTS]);

#endif /* TCPDWELL_PROMETHEUS_H */
