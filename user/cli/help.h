/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints what -h and --version show. It is made from the tables of options, so it is always true.
 *
 * Lines are at most 80 columns of ASCII. All functions write to a stream of the caller's and
 * report no errors: ferror() of the stream does.
 */
#ifndef TCPDWELL_HELP_H
#define TCPDWELL_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* Prints the help of a command. That of trace, the default, also lists the other commands. */
void help_print(FILE *out, enum command command);

void help_print_version(FILE *out);

/*
 * Prints what may be typed, for the completion of shells: a line for each command, and one for each
 * option of @command. The members of a line are KIND:NAME:LETTER:VALUE:CHOICES:TEXT. KIND is
 * `command` or `option`. NAME and LETTER have their dashes. VALUE is how the help calls the value,
 * CHOICES are the values, with a `|` between two, if they are all there are. Members that do not
 * apply are empty, and only TEXT may contain a colon.
 */
void help_print_words(FILE *out, enum command command);

#endif /* TCPDWELL_HELP_H */
