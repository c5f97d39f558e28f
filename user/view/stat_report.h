/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A report of `stat` as text for people. Pure.
 *
 * A row is about a state that was left, and by whom; durations are those of the state. It has 80
 * columns. With STAT_WIDE columns or more it has 132, and the histogram is drawn in one line: a
 * column for each power of two from a microsecond on, whose height is in proportion to the fullest
 * one. A name that is too long for its column gets a line of its own. Names are escaped.
 */
#ifndef TCPDWELL_STAT_REPORT_H
#define TCPDWELL_STAT_REPORT_H

#include <stdio.h>

#include "view/stat_view.h"

#define STAT_WIDE 132

struct stat_style {
	unsigned int columns;
	unsigned int top; /* rows for each state */
	bool histogram;	  /* below each row, with a line for each power of two */
	bool utc;
};

/* Returns 0 or -ENOMEM. The caller checks @out for errors. */
int stat_report(FILE *out, const struct stat_view *view, const struct stat_style *style);

#endif /* TCPDWELL_STAT_REPORT_H */
