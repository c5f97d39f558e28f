// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is looked up in a text is found, and reading ends at what is not JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_read.h"

static struct json_read of(const char *text)
{
	return (struct json_read){ text, text + strlen(text) };
}

static void test_member(void **state)
{
	struct json_read json = of(" { \"a\" : {\"b\":[1,{\"c\":\"}\"}]} ,\"d\":\"e\\\"f\","
				   "\"g\":-1.5e3, \"h\":null} rest");
	struct json_string name, text;

	(void)state;
	assert_true(json_member(&json, &name));
	assert_true(json_is(&name, "a"));
	assert_true(json_skip(&json));
	assert_true(json_member(&json, &name));
	assert_true(json_is(&name, "d"));
	assert_true(json_string(&json, &text));
	assert_true(text.escaped);
	assert_true(json_is(&text, "e\\\"f"));
	assert_true(json_member(&json, &name) && json_skip(&json));
	assert_true(json_member(&json, &name));
	assert_true(json_is(&name, "h"));
	assert_true(json_skip(&json));
	assert_false(json_member(&json, &name));
	assert_string_equal(json.at, " rest");
}

static void test_items(void **state)
{
	struct json_read json = of("[[],[\"a\"],\n[{}]]");
	struct json_string text;

	(void)state;
	assert_true(json_item(&json));
	assert_false(json_item(&json));
	assert_true(json_item(&json));
	assert_true(json_item(&json));
	assert_true(json_string(&json, &text));
	assert_true(json_is(&text, "a"));
	assert_false(json_item(&json));
	assert_true(json_item(&json));
	assert_true(json_skip(&json));
	assert_false(json_item(&json));
	assert_true(json.at == json.end);
}

static void test_malformed(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"[",
		"{\"a",
		"{\"a\"",
		"{\"a\":",
		"{a:1}",
		"{\"a\"1}",
		"{\"a\":1 2}",
		"{\"a\":\"b\\",
		"{\"a\":[}",
		"{,}",
		"x",
		"{\"a\":}",
		"]",
		"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct json_read json = of(texts[i]);
		struct json_string name;
		unsigned int members = 0;

		while (json_member(&json, &name) && members < 3) {
			json_skip(&json);
			members++;
		}
		assert_true(members < 2);
	}
}

/* Reading takes no stack, however deep the text is nested. */
static void test_deep(void **state)
{
	const size_t depth = 1 << 20;
	char *text = malloc(2 * depth);
	struct json_read json = { text, text + 2 * depth };

	(void)state;
	assert_non_null(text);
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	assert_true(json_skip(&json));
	assert_true(json.at == json.end);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_member),
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests_name("json_read", tests, NULL, NULL);
}
