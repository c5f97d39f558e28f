// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "base/escape.h"
#include "run/explain.h"
#include "run/page.h"
#include "view/explain.h"

/* Longer lines are hard to read, even where the terminal has room for them. */
#define COLUMNS_MAX 100
#define COLUMNS	    80

/* Of a name that is not known, so much is repeated. */
#define NAME_SHOWN 40

static unsigned int columns(void)
{
	unsigned int width = output_columns() ?: COLUMNS;

	return width < COLUMNS_MAX ? width : COLUMNS_MAX;
}

static int print_entry(FILE *out, const void *name)
{
	return explain_print(out, name, columns());
}

static int print_index(FILE *out, const void *context)
{
	(void)context;
	explain_index(out, columns());
	return 0;
}

static int refuse(const char *name, struct failure *failure)
{
	char shown[ESCAPE_TEXT_BYTES * NAME_SHOWN + 64];
	unsigned int width;

	*put_escaped(shown, name, strnlen(name, NAME_SHOWN), &width) = '\0';
	return failure_set(failure, STATUS_USE,
			   "explain: '%s' is not known: want a state, a finding or an errno; "
			   "`tcpdwell explain` lists them",
			   shown);
}

int explain_run(const struct options *options, const struct notice *notice, struct failure *failure)
{
	const char *name = options->operand;

	(void)notice;
	if (!name)
		return page_print(print_index, NULL, failure);
	return explain_knows(name) ? page_print(print_entry, name, failure) : refuse(name, failure);
}
