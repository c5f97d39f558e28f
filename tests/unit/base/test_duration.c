// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Durations and dwells, as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/duration.h"
#include "base/text.h"
#include "wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define US  1000ULL
#define MS  1000000ULL
#define S   1000000000ULL
#define MIN (60 * S)
#define H   (60 * MIN)
#define D   (24 * H)

/* Returns columns on a terminal: all bytes except those that continue a character. */
static unsigned int width(const char *text)
{
	unsigned int columns = 0;

	for (; *text; text++)
		columns += (*text & 0xc0) != 0x80;
	return columns;
}

static void assert_duration(uint64_t ns, enum duration_round round, const char *want)
{
	char got[16 + TEXT_SLACK_BYTES];
	unsigned int columns;

	*put_duration(got, ns, round, &columns) = '\0';
	assert_string_equal(got, want);
	assert_int_equal(columns, width(want));
	assert_true(columns <= DURATION_COLUMNS_MAX);
}

static void test_nearest(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} cases[] = {
		{ 0, "0ns" },
		{ 1, "1ns" },
		{ 999, "999ns" },
		{ 1000, "1µs" },
		{ 1499, "1µs" },
		{ 1500, "2µs" },
		{ 41 * US, "41µs" },
		{ 999 * US, "999µs" },
		{ 999499, "999µs" },
		{ 999500, "1.00ms" },
		{ 1 * MS, "1.00ms" },
		{ 3200 * US, "3.20ms" },
		{ 9994999, "9.99ms" },
		{ 9995 * US, "10.0ms" },
		{ 99949999, "99.9ms" },
		{ 99950 * US, "100ms" },
		{ 999499999, "999ms" },
		{ 999500 * US, "1.00s" },
		{ 1 * S, "1.00s" },
		{ 9994999999, "9.99s" },
		{ 9995 * MS, "10.0s" },
		{ 12300 * MS, "12.3s" },
		{ 59949999999, "59.9s" },
		{ 59950 * MS, "60.0s" },
		{ 61 * S, "61.0s" },
		{ 99949999999, "99.9s" },
		{ 99950 * MS, "1m40s" },
		{ 100 * S, "1m40s" },
		{ 5 * MIN + 12 * S, "5m12s" },
		{ 5 * MIN + 12 * S + 500 * MS, "5m13s" },
		{ 59 * MIN + 59 * S, "59m59s" },
		{ H - 500 * MS, "1h00m" },
		{ H, "1h00m" },
		{ 3 * H + 7 * MIN, "3h07m" },
		{ 23 * H + 59 * MIN, "23h59m" },
		{ D - 30 * S, "1d00h" },
		{ 2 * D + 4 * H, "2d04h" },
		{ 99 * D + 23 * H, "99d23h" },
		{ 100 * D - 30 * MIN, "100d" },
		{ 100 * D, "100d" },
		{ UINT64_MAX, "213504d" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_duration(cases[i].ns, DURATION_NEAREST, cases[i].want);
}

/* A value that is shown as a lower bound never exceeds the truth. */
static void test_down(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} cases[] = {
		{ 999, "999ns" },	   { 1999, "1µs" },
		{ 999999, "999µs" },	   { 9999999, "9.99ms" },
		{ 99999999, "99.9ms" },	   { 999999999, "999ms" },
		{ 9999999999, "9.99s" },   { 12399 * MS, "12.3s" },
		{ 99999999999, "99.9s" },  { 100 * S + 999 * MS, "1m40s" },
		{ H - 1, "59m59s" },	   { D - 1, "23h59m" },
		{ 100 * D - 1, "99d23h" }, { UINT64_MAX, "213503d" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_duration(cases[i].ns, DURATION_DOWN, cases[i].want);
}

static void assert_dwell(uint8_t dwell, uint64_t ns, const char *want, const char *want_right)
{
	char got[32 + TEXT_SLACK_BYTES];
	unsigned int columns;

	*put_dwell(got, dwell, ns, &columns) = '\0';
	assert_string_equal(got, want);
	assert_int_equal(columns, width(want));
	*put_dwell_right(got, dwell, ns, 7, &columns) = '\0';
	assert_string_equal(got, want_right);
	assert_int_equal(columns, width(want_right));
}

static void test_dwell(void **state)
{
	(void)state;
	assert_dwell(TCPDWELL_DWELL_EXACT, 41 * US, "41µs", "   41µs");
	assert_dwell(TCPDWELL_DWELL_EXACT, 61 * S, "61.0s", "  61.0s");
	assert_dwell(TCPDWELL_DWELL_EXACT, 0, "0ns", "    0ns");
	assert_dwell(TCPDWELL_DWELL_AT_LEAST, 12399 * MS, ">12.3s", " >12.3s");
	assert_dwell(TCPDWELL_DWELL_AT_LEAST, 41999, ">41µs", "  >41µs");
	assert_dwell(TCPDWELL_DWELL_AT_LEAST, UINT64_MAX, ">213503d", ">213503d");
	/* Unknown is unknown, whatever the number says. */
	assert_dwell(TCPDWELL_DWELL_UNKNOWN, 5, "-", "      -");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_dwell),
	};

	return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
