// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "run/page.h"

static int put(const char *page, size_t len)
{
	struct text *text = text_new(STDOUT_FILENO, TEXT_REPORT_BYTES, -1);
	int err;

	if (!text)
		return -errno;
	err = text_put(text, page, len) ?: text_flush(text);
	text_free(text);
	return err;
}

int page_print(page_writer *write, const void *context, struct failure *failure)
{
	char *page = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&page, &len);
	int err = -ENOMEM;

	if (out) {
		write(out, context);
		if (!fclose(out))
			err = put(page, len);
		free(page);
	}
	return failure_output(failure, err);
}
