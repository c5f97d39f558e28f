/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `snapshot -i`: a line for each interval as text, JSON or CSV. JSON and CSV have the same names in
 * the same order (view/fields.h). Errors stay in the stream. One thread.
 */
#ifndef TCPDWELL_TOTALS_REPORT_H
#define TCPDWELL_TOTALS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "view/fields.h"

struct totals_line;

/* @columns: the terminal's width; 0: no limit. Below 125 columns, some states are added up. */
void totals_report_head(FILE *out, unsigned int columns);
void totals_report(FILE *out, const struct totals_line *line, uint64_t wall_ns,
		   unsigned int columns);

/* @names: print the line of names first, if the form has one. Returns 0 or -errno. */
int totals_fields(FILE *out, const struct fields_form *form, const struct totals_line *line,
		  uint64_t wall_ns, bool names);

#endif /* TCPDWELL_TOTALS_REPORT_H */
