/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Output that is written at once as a whole: help, a probe. Signals keep their default actions, so
 * any of them ends it. SIGPIPE is ignored from then on.
 */
#ifndef TCPDWELL_PAGE_H
#define TCPDWELL_PAGE_H

#include "base/failure.h"
#include "run/output.h"

/*
 * Has @render print to standard output. Returns 0, also if the reader has gone, or -1 with @failure
 * filled.
 */
int page_print(output_render *render, const void *context, struct failure *failure);

#endif /* TCPDWELL_PAGE_H */
