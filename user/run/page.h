/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Output that is one whole, written once: help, a probe. Signals do what they do by default, so
 * that any of them ends it. SIGPIPE and SIGXFSZ are ignored from then on.
 */
#ifndef TCPDWELL_PAGE_H
#define TCPDWELL_PAGE_H

#include <stdio.h>

#include "base/failure.h"

typedef void page_writer(FILE *out, const void *context);

/*
 * Has @write print to standard output. Returns 0, also if its reader has gone, or -1 with @failure
 * filled.
 */
int page_print(page_writer *write, const void *context, struct failure *failure);

#endif /* TCPDWELL_PAGE_H */
