/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a run could not tell, beside the rows that were lost: a line of warning for each kind.
 */
#ifndef TCPDWELL_SHORTFALL_H
#define TCPDWELL_SHORTFALL_H

#include <stdint.h>

#include "base/notice.h"

/* @untracked sockets and @missed transitions, of which 0 are not worth a line. */
void shortfall_print(const struct notice *notice, uint64_t untracked, uint64_t missed);

#endif /* TCPDWELL_SHORTFALL_H */
