// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/escape.h"
#include "run/explain.h"
#include "run/page.h"
#include "view/explain.h"

/* Longer lines are hard to read, even where the terminal has room for them. */
#define COLUMNS_MAX 100
#define COLUMNS	    80

struct request {
	const char *name; /* NULL: the index */
	unsigned int columns;
	int err;
};

static unsigned int columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return COLUMNS;
	return size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
}

static void print(FILE *out, const void *context)
{
	struct request *request = (struct request *)context;

	if (request->name)
		request->err = explain_print(out, request->name, request->columns);
	else
		explain_index(out, request->columns);
}

int explain_run(const struct options *options, const struct notice *notice, struct failure *failure)
{
	struct request request = { .name = options->operand, .columns = columns() };
	char name[ESCAPE_TEXT_BYTES * 40 + 64];
	unsigned int width;

	(void)notice;
	if (page_print(print, &request, failure))
		return -1;
	if (!request.err)
		return 0;
	*put_escaped(name, request.name, strnlen(request.name, 40), &width) = '\0';
	return failure_set(failure, STATUS_USE,
			   "explain: '%s' is not known: want a state, a finding or an errno; "
			   "`tcpdwell explain` lists them",
			   name);
}
