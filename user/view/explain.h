/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a state, a finding or an errno means, from explain.txt, which is part of the binary.
 *
 * Pure, any thread. Widths are columns.
 */
#ifndef TCPDWELL_EXPLAIN_H
#define TCPDWELL_EXPLAIN_H

#include <stdbool.h>
#include <stdio.h>

/* The text of the file, followed by a 0. */
extern const char explain_text[];

/*
 * Prints what the text says about @name. It is the name of an entry, in either case and with `-` or
 * a blank instead of `_` (ss(8) writes CLOSE-WAIT), or a symptom in the words of the index. Lines
 * have at most @columns. Returns 0, or -ENOENT if nothing was printed.
 */
int explain_print(FILE *out, const char *name, unsigned int columns);

/*
 * Prints one part of the entry of @name, such as "helps", as a paragraph. Its first line continues
 * the present output line, which is at column @indent; the other lines begin at that column.
 * Returns 0, or -ENOENT if nothing was printed.
 */
int explain_print_part(FILE *out, const char *name, const char *part, unsigned int columns,
		       int indent);

/* Returns true if there is an entry of this name, or a symptom. */
bool explain_knows(const char *name);

/* Prints the words of @text as explain_print_part() does. */
void explain_print_words(FILE *out, const char *text, unsigned int columns, int indent);

/*
 * Prints the symptoms in people's words, each with the command that looks into it, and then all
 * names.
 */
void explain_index(FILE *out, unsigned int columns);

/* Prints the name of each entry as a line `word:NAME`, as help_print_words() does (cli/help.h). */
void explain_words(FILE *out);

#endif /* TCPDWELL_EXPLAIN_H */
