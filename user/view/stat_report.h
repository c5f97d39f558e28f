/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A report of `stat` as text for people. Pure.
 *
 * A row is a state that was left, and whose; durations are those of the state. 80 columns, or, on
 * STAT_WIDE and more, 132 with the histogram drawn into one line: a column for each power of two
 * from a microsecond on, its height in proportion to the fullest. A name that is too long for its
 * column has a line of its own. Names are escaped.
 */
#ifndef TCPDWELL_STAT_REPORT_H
#define TCPDWELL_STAT_REPORT_H

#include <stdio.h>

#include "view/stat_view.h"

#define STAT_WIDE 132

struct stat_style {
	unsigned int columns;
	unsigned int top; /* rows of each state */
	bool histogram;	  /* below each row, a line for each power of two */
	bool utc;
};

/* Returns 0 or -ENOMEM; errors of @out are the caller's to see. */
int stat_report(FILE *out, const struct stat_view *view, const struct stat_style *style);

#endif /* TCPDWELL_STAT_REPORT_H */
