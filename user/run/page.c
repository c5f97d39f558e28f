// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <signal.h>

#include "run/page.h"

int page_print(output_render *render, const void *context, struct failure *failure)
{
	struct output *output;
	int err;

	signal(SIGPIPE, SIG_IGN);
	output = output_new(false, NULL);
	if (!output)
		return failure_errno(failure, "cannot start", errno);
	err = output_report(output, render, context);
	output_free(output);
	return failure_output(failure, err);
}
