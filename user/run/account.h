/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints the account of a run (struct summary) as lines on standard error.
 */
#ifndef TCPDWELL_ACCOUNT_H
#define TCPDWELL_ACCOUNT_H

#include <stdbool.h>

#include "base/notice.h"
#include "view/sink.h"

/*
 * Prints the account, and a warning for each kind of loss. @sums: the account is one of `stat` or
 * `export`, which count rows in groups.
 */
void account_print(const struct notice *notice, const struct summary *summary, bool sums,
		   enum notice_level level);

#endif /* TCPDWELL_ACCOUNT_H */
