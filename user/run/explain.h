/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell explain`: prints text only. It needs neither BPF nor privileges.
 */
#ifndef TCPDWELL_RUN_EXPLAIN_H
#define TCPDWELL_RUN_EXPLAIN_H

#include "base/failure.h"
#include "base/notice.h"
#include "cli/options.h"

/* Returns 0, or -1 with @failure filled. */
int explain_run(const struct options *options, const struct notice *notice,
		struct failure *failure);

#endif /* TCPDWELL_RUN_EXPLAIN_H */
