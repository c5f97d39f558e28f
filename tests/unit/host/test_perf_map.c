// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Maps of names, as programs write them and as nobody should write them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/perf_map.h"

static char name[32];
static uint64_t into;

static bool line(const char *text, uint64_t address)
{
	return perf_map_line(text, strlen(text), address, name, sizeof(name), &into);
}

static void test_line(void **state)
{
	(void)state;
	assert_true(line("7f00 10 LazyCompile:~serve /srv/app.js:12", 0x7f08));
	assert_string_equal(name, "LazyCompile:~serve /srv/app.js:");
	assert_int_equal(into, 8);
	assert_true(line("0x7F00 0x10 f", 0x7f0f));
	assert_string_equal(name, "f");
	assert_false(line("7f00 10 f", 0x7f10));
	assert_false(line("7f00 10 f", 0x7eff));
	/* The end of memory. */
	assert_true(line("ffffffffffffffff ffffffffffffffff f", UINT64_MAX));
}

static void test_no_line(void **state)
{
	const char *const lines[] = {
		"",
		" ",
		"7f00",
		"7f00 ",
		"7f00 10",
		"7f00 10 ",
		"7f00  10 f",
		"x 10 f",
		"-1 10 f",
		"17f00000000000000 10 f",
		"7f00 fffffffffffffffff f",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_false(line(lines[i], 0x7f00));
}

static int find(FILE *file, uint64_t address)
{
	fflush(file);
	into = 0;
	return perf_map_find(fileno(file), address, name, sizeof(name), &into);
}

static void test_file(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	assert_int_equal(find(file, 0x10), 0);
	assert_string_equal(name, "");
	/* The map is longer than what is read at a time, and then so is a line. */
	for (unsigned int i = 0; i < 10000; i++)
		fprintf(file, "%x 10 f%u\n", 0x1000 + i * 16, i);
	for (unsigned int i = 0; i < 100000; i++)
		fputc('x', file);
	fputs("\n10 10 last\n9 1 unfinished", file);
	assert_int_equal(find(file, 0x1000 + 9999 * 16), 0);
	assert_string_equal(name, "f9999");
	assert_int_equal(find(file, 0x1f), 0);
	assert_string_equal(name, "last");
	assert_int_equal(into, 15);
	assert_int_equal(find(file, 0x9), 0);
	assert_string_equal(name, "");
	fclose(file);
}

static void test_too_large(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	fputs("10 10 first\n", file);
	fflush(file);
	assert_int_equal(ftruncate(fileno(file), PERF_MAP_BYTES), 0);
	assert_int_equal(find(file, 0x10), 0);
	assert_string_equal(name, "first");
	assert_int_equal(ftruncate(fileno(file), 1ULL << 40), 0);
	assert_int_equal(find(file, 0x10), -E2BIG);
	assert_string_equal(name, "");
	assert_int_equal(perf_map_find(-1, 1, name, sizeof(name), &into), -EBADF);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_no_line),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests_name("perf_map", tests, NULL, NULL);
}
