/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `snapshot -i`: a line for each interval, as text, as JSON and as CSV. The names of JSON and CSV
 * are a contract: one may be added at the end, none may go or change its meaning. Errors stay in
 * the stream. One thread.
 */
#ifndef TCPDWELL_TOTALS_REPORT_H
#define TCPDWELL_TOTALS_REPORT_H

#include <stdint.h>
#include <stdio.h>

struct totals_line;

/* @columns: the terminal's width, 0: as much as there is; below 125 states are put together. */
void totals_report_head(FILE *out, unsigned int columns);
void totals_report(FILE *out, const struct totals_line *line, uint64_t wall_ns,
		   unsigned int columns);

void totals_json(FILE *out, const struct totals_line *line, uint64_t wall_ns);

void totals_csv_head(FILE *out);
void totals_csv(FILE *out, const struct totals_line *line, uint64_t wall_ns);

#endif /* TCPDWELL_TOTALS_REPORT_H */
