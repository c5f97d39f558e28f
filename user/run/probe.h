/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell probe`: prints each feature, by which way this kernel offers it, what that costs, and
 * why no better way is open.
 */
#ifndef TCPDWELL_PROBE_H
#define TCPDWELL_PROBE_H

#include "base/failure.h"
#include "base/notice.h"
#include "cli/options.h"

/* Prints to standard output. Returns 0, or -1 with @failure filled. */
int probe_run(const struct options *options, const struct notice *notice, struct failure *failure);

#endif /* TCPDWELL_PROBE_H */
