// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/failure.h"

int failure_set(struct failure *failure, int status, const char *format, ...)
{
	va_list args;

	failure->status = status;
	va_start(args, format);
	vsnprintf(failure->text, sizeof(failure->text), format, args);
	va_end(args);
	return -1;
}

int failure_errno(struct failure *failure, const char *what, int err)
{
	return failure_set(failure, STATUS_OTHER, "%s: %s", what, strerror(err));
}

int failure_output(struct failure *failure, int err)
{
	if (!err || err == -EPIPE || err == -ECANCELED)
		return 0;
	return failure_errno(failure, "standard output", -err);
}
