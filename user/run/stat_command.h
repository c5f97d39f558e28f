/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell stat`: has the kernel side sum the dwells, and reports them now and then.
 *
 * Between two reports it sleeps. Only where mini sockets must be polled (the timer backend) it
 * looks for them once a second.
 */
#ifndef TCPDWELL_STAT_COMMAND_H
#define TCPDWELL_STAT_COMMAND_H

#include "base/failure.h"
#include "base/notice.h"
#include "cli/options.h"

/* Runs until it is told to stop. Returns 0, or -1 with @failure filled. */
int stat_command_run(const struct options *options, const struct notice *notice,
		     struct failure *failure);

#endif /* TCPDWELL_STAT_COMMAND_H */
