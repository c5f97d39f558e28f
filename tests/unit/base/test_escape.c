// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Names from outside: nothing that steers a terminal, a spreadsheet or a parser gets through. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/escape.h"
#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define MAX 256

typedef char *put_fn(char *p, const char *text, size_t len);

static char *put_table(char *p, const char *text, size_t len)
{
	unsigned int columns;

	return put_escaped(p, text, len, &columns);
}

/* Renders a copy of exactly @len bytes, so that the sanitizer sees any read beyond it. */
static const char *rendered(put_fn *put, const char *text, size_t len)
{
	static char out[2 + ESCAPE_JSON_BYTES * MAX + TEXT_SLACK_BYTES];
	char *copy = calloc(len, 1);
	char *end;

	memcpy(copy, text, len);
	end = put(out, copy, len);
	free(copy);
	*end = '\0';
	return out;
}

static void assert_put(put_fn *put, const char *text, const char *want)
{
	assert_string_equal(rendered(put, text, strlen(text)), want);
}

/* Byte sequences that are not UTF-8; each byte is bad by itself, or is ASCII. */
static const char *const invalid[] = {
	"\x80", /* a continuation with nothing before it */
	"\xbf",
	"\xc3", /* cut short */
	"\xe2\x82",
	"\xf0\x9f\x98",
	"\xc3(", /* not continued */
	"\xe2(\xa1",
	"\xe2\x82(",
	"\xc0\xaf", /* overlong: / in two, three and four bytes */
	"\xe0\x80\xaf",
	"\xf0\x80\x80\xaf",
	"\xc1\xbf",
	"\xe0\x9f\xbf",
	"\xf0\x8f\xbf\xbf",
	"\xed\xa0\x80", /* surrogates */
	"\xed\xbf\xbf",
	"\xf4\x90\x80\x80", /* beyond U+10FFFF */
	"\xf5\x80\x80\x80",
	"\xf8\x88\x80\x80\x80",
	"\xfe",
	"\xff",
};

static void test_plain(void **state)
{
	(void)state;
	assert_put(put_table, "", "");
	assert_put(put_table, "nginx", "nginx");
	assert_put(put_table, "kworker/u8:2-ev", "kworker/u8:2-ev");
	assert_put(put_table, "Web Content", "Web Content");
	assert_put(put_table, "say \"hi\"", "say \"hi\"");
	assert_put(put_table, "größe", "größe");
	assert_put(put_table, "日本語", "日本語");
	assert_put(put_table, "\U0001F600", "\U0001F600");
	assert_put(put_table, "a\\x41", "a\\x5cx41");
}

static void test_every_ascii_byte(void **state)
{
	char text[16], want[32];

	(void)state;
	for (int byte = 0; byte < 0x80; byte++) {
		/* The code looks at eight bytes together, so the byte is tried at each place. */
		for (int at = 0; at < 9; at++) {
			memset(text, 'a', 10);
			text[at] = byte;
			if (byte >= 0x20 && byte < 0x7f && byte != '\\')
				snprintf(want, sizeof(want), "%.10s", text);
			else
				snprintf(want, sizeof(want), "%.*s\\x%02x%.*s", at, text, byte,
					 9 - at, text + at + 1);
			assert_string_equal(rendered(put_table, text, 10), want);
		}
	}
}

static void test_steering_characters(void **state)
{
	(void)state;
	assert_put(put_table, "\x1b[2J", "\\x1b[2J");
	/* C1 controls: CSI as one character of two bytes. */
	assert_put(put_table,
		   "\xc2\x9b"
		   "31m",
		   "\\xc2\\x9b31m");
	assert_put(put_table, "\xc2\x80", "\\xc2\\x80");
	assert_put(put_table, "\xc2\xa0", "\xc2\xa0");
	/* Right-to-left override, zero-width space, byte order mark, line separator, a tag. */
	assert_put(put_table, "a\u202eb", "a\\xe2\\x80\\xaeb");
	assert_put(put_table, "a\u200bb", "a\\xe2\\x80\\x8bb");
	assert_put(put_table, "\ufeff", "\\xef\\xbb\\xbf");
	assert_put(put_table, "\u2028", "\\xe2\\x80\\xa8");
	assert_put(put_table, "\U000e0041", "\\xf3\\xa0\\x81\\x81");
	assert_put(put_table, "\u2027\u202f", "\u2027\u202f");
}

static void test_invalid_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(invalid); i++) {
		char want[64], *p = want;

		for (const char *s = invalid[i]; *s; s++)
			p += sprintf(p, *s & 0x80 ? "\\x%02x" : "%c", (unsigned char)*s);
		assert_put(put_table, invalid[i], want);
	}
}

static void assert_columns(const char *text, unsigned int want)
{
	char out[MAX];
	unsigned int columns;

	put_escaped(out, text, strlen(text), &columns);
	assert_int_equal(columns, want);
}

static void test_columns(void **state)
{
	(void)state;
	assert_columns("", 0);
	assert_columns("nginx", 5);
	assert_columns("größe", 5);
	assert_columns("日本語", 6);
	assert_columns("e\u0301", 1);
	assert_columns("\U0001F600", 2);
	assert_columns("\x1b", 4);
	assert_columns("\\", 4);
}

static void assert_cut(const char *text, unsigned int width, const char *want,
		       unsigned int want_columns)
{
	char out[MAX];
	unsigned int columns;

	*put_escaped_cut(out, text, strlen(text), width, &columns) = '\0';
	assert_string_equal(out, want);
	assert_int_equal(columns, want_columns);
	assert_true(columns <= width);
}

static void test_cut(void **state)
{
	(void)state;
	assert_cut("nginx", 15, "nginx", 5);
	assert_cut("nginx", 5, "nginx", 5);
	assert_cut("nginx", 4, "ngi+", 4);
	assert_cut("nginx", 1, "+", 1);
	assert_cut("nginx", 0, "", 0);
	/* The cut is never within an escape or a character. */
	assert_cut("\x1b[31m", 8, "\\x1b[31m", 8);
	assert_cut("\x1b[31m", 7, "\\x1b[3+", 7);
	assert_cut("\x1b[31m", 4, "+", 1);
	assert_cut("ab日本", 6, "ab日本", 6);
	assert_cut("ab日本", 5, "ab日+", 5);
	assert_cut("ab日本", 4, "ab+", 3);
	/* The longest text that 15 bytes can become. */
	assert_cut("\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b", 15,
		   "\\x1b\\x1b\\x1b+", 13);
}

/* Marks without a width cannot make the cell longer than its bytes. */
static void test_cut_is_bounded(void **state)
{
	char text[200], out[ESCAPE_TEXT_BYTES * 15];
	unsigned int columns;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "\u0301", 2);
	assert_true(put_escaped_cut(out, text, sizeof(text), 15, &columns) <= out + sizeof(out));
	assert_int_equal(columns, 1);
}

static void test_csv(void **state)
{
	(void)state;
	assert_put(put_csv, "", "");
	assert_put(put_csv, "nginx", "nginx");
	assert_put(put_csv, "a,b", "\"a,b\"");
	assert_put(put_csv, "say \"hi\"", "\"say \"\"hi\"\"\"");
	assert_put(put_csv, "\"", "\"\"\"\"");
	assert_put(put_csv, "a\r\nb", "a\\x0d\\x0ab");
	assert_put(put_csv, "a\\b", "a\\x5cb");
	assert_put(put_csv, "\x1b,\"", "\"\\x1b,\"\"\"");
	/* A spreadsheet takes these for a formula, but only at the beginning of a cell. */
	assert_put(put_csv, "=1+1", "\\x3d1+1");
	assert_put(put_csv, "+1", "\\x2b1");
	assert_put(put_csv, "-1", "\\x2d1");
	assert_put(put_csv, "@SUM(A1)", "\\x40SUM(A1)");
	assert_put(put_csv, "=a,b", "\"\\x3da,b\"");
	assert_put(put_csv, "a=b", "a=b");
	assert_put(put_csv, "\t=1", "\\x09=1");
}

static void test_json_plain(void **state)
{
	(void)state;
	assert_put(put_json, "", "\"\"");
	assert_put(put_json, "nginx", "\"nginx\"");
	assert_put(put_json, "a/b", "\"a/b\"");
	assert_put(put_json, "a\"b\\c", "\"a\\\"b\\\\c\"");
	assert_put(put_json, "größe 日本語 \U0001F600", "\"größe 日本語 \U0001F600\"");
}

static void test_json_controls(void **state)
{
	static const char *const names[] = {
		['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r",
	};

	(void)state;
	for (int byte = 0; byte < 0x20; byte++) {
		char text[] = { 'a', byte, 'b' };
		char want[16];

		if ((size_t)byte < COUNT(names) && names[byte])
			snprintf(want, sizeof(want), "\"a%sb\"", names[byte]);
		else
			snprintf(want, sizeof(want), "\"a\\u%04xb\"", byte);
		assert_string_equal(rendered(put_json, text, sizeof(text)), want);
	}
	assert_put(put_json, "\x7f", "\"\\u007f\"");
	assert_put(put_json, "\xc2\x9b", "\"\\u009b\"");
	assert_put(put_json, "\u202e", "\"\\u202e\"");
	assert_put(put_json, "\U000e0041", "\"\\udb40\\udc41\"");
}

static void test_json_invalid_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(invalid); i++) {
		char want[64], *p = want;

		p += sprintf(p, "\"");
		for (const char *s = invalid[i]; *s; s++)
			p += *s & 0x80 ? sprintf(p, "\\ufffd") : sprintf(p, "%c", *s);
		sprintf(p, "\"");
		assert_put(put_json, invalid[i], want);
	}
}

/* Any bytes give whole UTF-8 without raw controls, within the bound that callers reserve. */
static void test_any_bytes(void **state)
{
	static const struct {
		put_fn *put;
		size_t each, around;
	} kinds[] = {
		{ put_table, ESCAPE_TEXT_BYTES, 0 },
		{ put_csv, ESCAPE_TEXT_BYTES, 2 },
		{ put_json, ESCAPE_JSON_BYTES, 2 },
	};

	(void)state;
	srandom(1);
	for (int round = 0; round < 20000; round++) {
		char text[16];
		size_t len = random() % (sizeof(text) + 1);

		for (size_t i = 0; i < len; i++)
			text[i] = random();
		for (size_t kind = 0; kind < COUNT(kinds); kind++) {
			const char *out = rendered(kinds[kind].put, text, len);

			assert_true(strlen(out) <= kinds[kind].each * len + kinds[kind].around);
			for (const char *s = out; *s; s++)
				assert_true((unsigned char)*s >= 0x20 && *s != 0x7f);
			assert_true(mbstowcs(NULL, out, 0) != (size_t)-1);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_every_ascii_byte),
		cmocka_unit_test(test_steering_characters),
		cmocka_unit_test(test_invalid_utf8),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_is_bounded),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_json_plain),
		cmocka_unit_test(test_json_controls),
		cmocka_unit_test(test_json_invalid_utf8),
		cmocka_unit_test(test_any_bytes),
	};

	/* For mbstowcs(), which checks the UTF-8 of what was rendered. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
