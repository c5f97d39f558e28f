/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The series of `export` in the two formats that Prometheus reads: its own text format, version
 * 0.0.4, and OpenMetrics 1.0. Text that others chose (names) is escaped twice: first as escape.h
 * does, so that it can be printed, and then as the format requires. Pure.
 */
#ifndef TCPDWELL_PROMETHEUS_H
#define TCPDWELL_PROMETHEUS_H

#include <stdbool.h>
#include <stdio.h>

#include "model/export.h"

/* The content types of the formats in HTTP. */
#define PROMETHEUS_TEXT_TYPE	    "text/plain; version=0.0.4; charset=utf-8"
#define PROMETHEUS_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* Prints all series. Returns 0 or -ENOMEM. The caller checks @out for errors. */
int prometheus_print(FILE *out, const struct export *export, bool openmetrics);

/* Where the heads and the samples of a metric end, in a text with both formats. */
struct prometheus_part {
	long text_end;
	long openmetrics_end;
	long samples_end;
};

#define PROMETHEUS_PARTS EXPORT_METRICS

/*
 * Writes both formats at once, in parts. Each metric has its head in the text format, its head in
 * OpenMetrics, and its samples, which both share. The end of OpenMetrics follows the last metric.
 * @out must be at position 0 and tell its position. Returns the number of parts, or -errno.
 */
int prometheus_print_both(FILE *out, const struct export *export,
			  struct prometheus_part parts[PROMETHEUS_PARTS]);

#endif /* TCPDWELL_PROMETHEUS_H */
