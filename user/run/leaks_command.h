/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell leaks`: a report of the sockets that exist, and with --watch one after another while
 * the tracer sees what becomes of them.
 */
#ifndef TCPDWELL_LEAKS_COMMAND_H
#define TCPDWELL_LEAKS_COMMAND_H

#include "base/failure.h"
#include "base/notice.h"
#include "cli/options.h"

/* The exit status where something is wrong, for scripts and monitoring. */
#define LEAKS_FOUND 10

/* Returns 0, LEAKS_FOUND if the last report found any, or -1 with @failure filled. */
int leaks_command_run(const struct options *options, const struct notice *notice,
		      struct failure *failure);

#endif /* TCPDWELL_LEAKS_COMMAND_H */
