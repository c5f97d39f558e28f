// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Text from others: the output harms no terminal, is JSON where it must be, and fits its bounds. */
#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "input.h"

static void check(const char *start, const char *end, size_t most)
{
	CHECK((size_t)(end - start) <= most && is_clean(start, end - start));
	CHECK(!memchr(start, '\n', end - start));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned int width = input_u8(&input), columns;
	size_t len;
	char *text = (char *)input_rest(&input, &len), *end;
	char *out = malloc(2 + ESCAPE_JSON_BYTES * (len + width) + TEXT_SLACK_BYTES);
	char *string = strndup(text, len);
	struct shown shown;

	CHECK(out && string);
	end = put_escaped(out, text, len, &columns);
	check(out, end, ESCAPE_TEXT_BYTES * len);
	end = put_escaped_cut(out, text, len, width, &columns);
	check(out, end, ESCAPE_TEXT_BYTES * width);
	CHECK(columns <= width);
	end = put_csv(out, text, len);
	check(out, end, 2 + ESCAPE_TEXT_BYTES * len);
	end = put_json(out, text, len);
	check(out, end, 2 + ESCAPE_JSON_BYTES * len);
	CHECK(is_json(out, end - out));
	escape_shown(&shown, string);
	check(shown.text, shown.text + strlen(shown.text), sizeof(shown.text) - 1);
	free(string);
	free(out);
	free(text);
	return 0;
}
