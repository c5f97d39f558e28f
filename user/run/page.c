// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <signal.h>

#include "run/output.h"
#include "run/page.h"

struct page {
	page_writer *write;
	const void *context;
};

static int render(FILE *out, const void *context)
{
	const struct page *page = context;

	page->write(out, page->context);
	return 0;
}

int page_print(page_writer *write, const void *context, struct failure *failure)
{
	const struct page page = { .write = write, .context = context };
	struct output *output;
	int err;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	output = output_new(false, NULL);
	if (!output)
		return failure_errno(failure, "cannot start", errno);
	err = output_report(output, render, &page);
	output_free(output);
	return failure_output(failure, err);
}
