// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>

#include "printed.h"

char *printed;
static size_t printed_len;

FILE *printed_begin(void)
{
	free(printed);
	printed = NULL;
	return open_memstream(&printed, &printed_len);
}

int printed_end(void **state)
{
	(void)state;
	free(printed);
	printed = NULL;
	return 0;
}

unsigned int printed_columns(const char *text)
{
	unsigned int columns = 0, max = 0;

	for (; *text; text++) {
		columns = *text == '\n' ? 0 : columns + ((*text & 0xc0) != 0x80);
		if (columns > max)
			max = columns;
	}
	return max;
}
