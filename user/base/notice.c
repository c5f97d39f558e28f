// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdarg.h>
#include <stdio.h>

#include "base/notice.h"

void notice_print(const struct notice *notice, enum notice_level level, const char *format, ...)
{
	char line[1024];
	va_list args;

	if ((level == NOTICE_STATUS && notice->quiet) ||
	    (level == NOTICE_DETAIL && !notice->verbose))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* One call, so that lines of several processes on one terminal do not mix. */
	fprintf(stderr, "tcpdwell: %s\n", line);
}
