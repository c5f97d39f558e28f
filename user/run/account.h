/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The account of a run (struct summary) as lines of standard error.
 */
#ifndef TCPDWELL_RUN_ACCOUNT_H
#define TCPDWELL_RUN_ACCOUNT_H

#include <stdbool.h>

#include "base/notice.h"
#include "view/sink.h"

/* Prints it, and a warning for each kind of what could not be told. @sums: of `stat`. */
void account_print(const struct notice *notice, const struct summary *summary, bool sums,
		   enum notice_level level);

#endif /* TCPDWELL_RUN_ACCOUNT_H */
