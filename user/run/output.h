/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Standard output, for all that a command says: rows, reports one after another or in place on a
 * terminal, a page. No other module writes to it.
 *
 * The first error sticks (text.h). -EPIPE says that the reader has gone, -ECANCELED that the output
 * was ended while nobody read it; neither is a failure of the tool. One thread.
 */
#ifndef TCPDWELL_OUTPUT_H
#define TCPDWELL_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/text.h"

struct output;

/*
 * @in_place: reports are shown in place, which a terminal is asked for. @wait (not owned) as in
 * text.h. Returns NULL with errno set. The caller frees it.
 */
struct output *output_new(bool in_place, const struct text_wait *wait);

/* Puts the terminal back, and drops what is not flushed. NULL-safe. */
void output_free(struct output *output);

/* Whether standard output is a terminal, and how wide; 0: no terminal, or it does not say. */
bool output_is_terminal(void);
unsigned int output_columns(void);

/* How many lines the terminal has; 0: likewise. */
unsigned int output_lines(void);

/* For rows, which are flushed by who writes them. */
struct text *output_text(struct output *output);

/* Writes a report; what @render returns is 0 or -errno. Errors of @out are seen here. */
typedef int output_render(FILE *out, const void *context);

/*
 * Shows a report in place, or behind what was written before. Returns 0 or -errno, that of @render
 * or of the output.
 */
int output_report(struct output *output, output_render *render, const void *context);

/* From here on, reports come one after another: puts the terminal back as it was. */
void output_leave_place(struct output *output);

/* Returns 0 or the -errno that stopped the output. */
int output_error(const struct output *output);

#endif /* TCPDWELL_OUTPUT_H */
