/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stacks of a leak as text and as JSON. Errors stay in the stream. Any thread.
 */
#ifndef TCPDWELL_STACKS_REPORT_H
#define TCPDWELL_STACKS_REPORT_H

#include <stdio.h>

struct leak;

/* Prints lines for the most frequent stacks, and for sockets without a stack. */
void stacks_report(FILE *out, const struct leak *leak);

/*
 * Prints the members stacks and no_stack of the leak's object; both are null if nobody asked for
 * stacks.
 */
void stacks_json(FILE *out, const struct leak *leak);

#endif /* TCPDWELL_STACKS_REPORT_H */
