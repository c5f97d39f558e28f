/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Standard output, for all that a command prints: rows, reports one after another, reports in place
 * on a terminal, or a single page. No other module writes to it.
 *
 * The first error sticks (text.h). -EPIPE means that the reader has gone. -ECANCELED means that the
 * output was ended while nobody read it. Neither is a failure of the tool. One thread.
 */
#ifndef TCPDWELL_OUTPUT_H
#define TCPDWELL_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/text.h"

struct output;

/*
 * @in_place: reports are shown in place, on a terminal. @wait is not owned; text.h describes it.
 * Returns NULL with errno set. The caller frees the output.
 */
struct output *output_new(bool in_place, const struct text_wait *wait);

/* Restores the terminal, and drops what is not flushed. NULL-safe. */
void output_free(struct output *output);

/*
 * Return whether standard output is a terminal, and its width in columns (0: it is no terminal, or
 * the width is not known).
 */
bool output_is_terminal(void);
unsigned int output_columns(void);

/* Returns the number of lines of the terminal; 0: it is no terminal, or the number is not known. */
unsigned int output_lines(void);

/* Returns the text that rows are written to. Whoever writes rows flushes it. */
struct text *output_text(struct output *output);

/*
 * Writes a report to @out. Returns 0 or -errno; errors of @out itself are noticed by
 * output_report().
 */
typedef int output_render(FILE *out, const void *context);

/*
 * Shows a report, in place or after what was written before. Returns 0, or the -errno of @render or
 * of the output.
 */
int output_report(struct output *output, output_render *render, const void *context);

/* Restores the terminal. From here on reports come one after another. */
void output_leave_place(struct output *output);

/* Returns 0, or the -errno that stopped the output. */
int output_error(const struct output *output);

#endif /* TCPDWELL_OUTPUT_H */
