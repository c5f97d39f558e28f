/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Output that is one whole, written once: help, a probe, a snapshot.
 *
 * It is made in memory, since stdio drops what a descriptor that does not block refuses. The text
 * is then written as text.h has it. SIGPIPE must be ignored, or end the process.
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
