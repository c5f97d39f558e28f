/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What -h and --version print, made from the tables of options, so that it is true.
 *
 * Lines are at most 80 columns of ASCII. Both write to a stream that is the caller's and report no
 * errors: ferror() of the stream does.
 */
#ifndef TCPDWELL_HELP_H
#define TCPDWELL_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* The help of a command; that of trace, the default, lists the other commands too. */
void help_print(FILE *out, enum command command);

void help_print_version(FILE *out);

#endif /* TCPDWELL_HELP_H */
