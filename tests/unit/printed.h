/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a view prints, as text. One at a time. */
#ifndef TCPDWELL_PRINTED_H
#define TCPDWELL_PRINTED_H

#include <stdio.h>

/* The text, once the file of printed_begin() is closed; valid until the next printed_begin(). */
extern char *printed;

/* Returns a file to print to, which the caller closes. */
FILE *printed_begin(void);

/* Frees the text. For a group's teardown. */
int printed_end(void **state);

/* Returns the columns of the widest line: all bytes except those that continue a character. */
unsigned int printed_columns(const char *text);

#endif /* TCPDWELL_PRINTED_H */
