/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a state, a finding or an errno means: the text of explain.txt, which is part of the binary.
 *
 * Pure, any thread. Widths are columns.
 */
#ifndef TCPDWELL_EXPLAIN_H
#define TCPDWELL_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

/* The text as it stands in the file, ended by 0. */
extern const char explain_text[];

/*
 * Prints what there is on @name: the name of an entry, in either case and with `-` or a blank for
 * `_` (ss(8) writes CLOSE-WAIT), or a symptom in the words of the index. Lines have @columns at the
 * most. Returns 0, or -ENOENT with nothing printed.
 */
int explain_print(FILE *out, const char *name, unsigned int columns);

/*
 * Prints one part of the entry of @name, such as "helps", as a paragraph: its first line goes on
 * where the output is, at column @indent; the others begin there. Returns 0, or -ENOENT with
 * nothing printed.
 */
int explain_print_part(FILE *out, const char *name, const char *part, unsigned int columns,
		       int indent);

/* Whether there is an entry of this name. */
bool explain_knows(const char *name);

/* Prints words that stand in @text, as explain_print_part() does. */
void explain_print_words(FILE *out, const char *text, unsigned int columns, int indent);

/* Prints the symptoms, as people say them, and the command that looks into each; then all names. */
void explain_index(FILE *out, unsigned int columns);

#endif /* TCPDWELL_EXPLAIN_H */
