/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints what -h and --version show. It is made from the tables of options, so it is always true.
 *
 * Lines are at most 80 columns of ASCII. Both functions write to a stream of the caller's and
 * report no errors: ferror() of the stream does.
 */
#ifndef TCPDWELL_HELP_H
#define TCPDWELL_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* Prints the help of a command. That of trace, the default, also lists the other commands. */
void help_print(FILE *out, enum command command);

void help_print_version(FILE *out);

#endif /* TCPDWELL_HELP_H */
