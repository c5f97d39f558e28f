/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell snapshot`: all sockets now, counted.
 */
#ifndef TCPDWELL_SNAPSHOT_COMMAND_H
#define TCPDWELL_SNAPSHOT_COMMAND_H

#include "base/failure.h"
#include "base/notice.h"
#include "cli/options.h"

/* Returns 0, or -1 with @failure filled. */
int snapshot_command_run(const struct options *options, const struct notice *notice,
			 struct failure *failure);

#endif /* TCPDWELL_SNAPSHOT_COMMAND_H */
