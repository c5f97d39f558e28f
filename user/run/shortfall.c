// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>

#include "run/shortfall.h"

void shortfall_print(const struct notice *notice, uint64_t untracked, uint64_t missed)
{
	if (untracked)
		notice_print(notice, NOTICE_WARNING,
			     "%" PRIu64 " sockets found no place to be tracked, their dwell is "
			     "unknown: see --max-sockets",
			     untracked);
	if (missed)
		notice_print(notice, NOTICE_WARNING,
			     "%" PRIu64 " transitions or more were passed over: the kernel ran no "
			     "program for them",
			     missed);
}
