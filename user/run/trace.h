/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell trace`: the kernel side, the ring, a sink, and the loop that joins them.
 */
#ifndef TCPDWELL_TRACE_H
#define TCPDWELL_TRACE_H

#include "base/failure.h"
#include "base/notice.h"
#include "cli/options.h"

/* Runs until a signal, -d, -n or the program's end. Returns 0, or -1 with @failure filled. */
int trace_run(const struct options *options, const struct notice *notice, struct failure *failure);

#endif /* TCPDWELL_TRACE_H */
