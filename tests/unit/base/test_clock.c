// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Wall time from monotonic time, through steps of the wall clock; and how times are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"

#define S 1000000000ULL

struct buffer {
	char text[64 + TEXT_SLACK_BYTES];
};

static const char *ended(struct buffer *buffer, char *end)
{
	*end = '\0';
	return buffer->text;
}

static uint64_t real_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * S + ts.tv_nsec;
}

/* The wall time of a moment lies between two readings of the wall clock around it. */
static void test_agrees_with_the_kernel(void **state)
{
	struct clock *clock = clock_new();
	const uint64_t slack_ns =
		1000; /* slack of the first reading: half the time between its two ends */
	uint64_t before, wall, after;

	(void)state;
	before = real_now_ns();
	wall = clock_wall_ns(clock, clock_now_ns());
	after = real_now_ns();
	assert_in_range(wall, before - slack_ns, after + slack_ns);
	clock_tick(clock);
	clock_free(clock);
	clock_free(NULL);
}

static void test_sample(void **state)
{
	struct clock *clock = clock_new();

	(void)state;
	/* A sample is at the middle of its two readings. */
	clock_sample(clock, 100 * S, 5000 * S, 100 * S + 200);
	assert_true(clock_wall_ns(clock, 100 * S) == 5000 * S - 100);
	assert_true(clock_wall_ns(clock, 101 * S + 7) == 5001 * S - 93);

	/* A sample that agrees changes nothing, at either end of what it allows. */
	clock_sample(clock, 101 * S, 5001 * S - 100, 101 * S + 50);
	assert_true(clock_wall_ns(clock, 100 * S) == 5000 * S - 100);
	clock_sample(clock, 101 * S, 5001 * S - 50, 101 * S + 50);
	assert_true(clock_wall_ns(clock, 100 * S) == 5000 * S - 100);

	/* A sample that cannot agree is a step, even if it is small, ... */
	clock_sample(clock, 102 * S, 5002 * S, 102 * S + 40);
	assert_true(clock_wall_ns(clock, 100 * S) == 5000 * S - 20);
	/* ... a day ahead, or back before the boot. */
	clock_sample(clock, 103 * S, 91403 * S, 103 * S);
	assert_true(clock_wall_ns(clock, 100 * S) == 91400 * S);
	clock_sample(clock, 104 * S, 4 * S, 104 * S);
	assert_true(clock_wall_ns(clock, 105 * S) == 5 * S);
	clock_free(clock);
}

/* A tick does not replace a sample of the last second, but replaces an older one. */
static void test_tick(void **state)
{
	struct clock *clock = clock_new();
	uint64_t now = clock_now_ns();
	uint64_t real = real_now_ns();

	(void)state;
	clock_sample(clock, now, 5000 * S, now);
	clock_tick(clock);
	assert_true(clock_wall_ns(clock, now) == 5000 * S);

	clock_sample(clock, now - CLOCK_RESAMPLE_NS, 5000 * S, now - CLOCK_RESAMPLE_NS);
	clock_tick(clock);
	assert_in_range(clock_wall_ns(clock, now), real - S, real + S);
	clock_free(clock);
}

static void test_since_start(void **state)
{
	struct clock *clock = clock_new();

	(void)state;
	clock_set_start(clock, 10 * S);
	assert_true(clock_since_start_ns(clock, 12 * S + 5) == 2 * S + 5);
	assert_true(clock_since_start_ns(clock, 10 * S) == 0);
	assert_true(clock_since_start_ns(clock, 9 * S) == 0);
	clock_free(clock);
}

static void assert_rfc3339(struct stamp *stamp, uint64_t ns, const char *want)
{
	struct buffer buffer;

	assert_string_equal(ended(&buffer, put_rfc3339(buffer.text, stamp, ns)), want);
}

static void test_rfc3339(void **state)
{
	struct stamp stamp = {};

	(void)state;
	assert_rfc3339(&stamp, 0, "1970-01-01T00:00:00.000000000Z");
	assert_rfc3339(&stamp, 1, "1970-01-01T00:00:00.000000001Z");
	assert_rfc3339(&stamp, 1709251199 * S + 999999999, "2024-02-29T23:59:59.999999999Z");
	assert_rfc3339(&stamp, 1709251200 * S, "2024-03-01T00:00:00.000000000Z");
	/* Time may go backwards, because rows may come a little out of order. */
	assert_rfc3339(&stamp, 1709251199 * S, "2024-02-29T23:59:59.000000000Z");
	assert_rfc3339(&stamp, 0, "1970-01-01T00:00:00.000000000Z");
	assert_rfc3339(&stamp, 2147483648 * S, "2038-01-19T03:14:08.000000000Z");
	assert_rfc3339(&stamp, UINT64_MAX, "2554-07-21T23:34:33.709551615Z");
}

static void assert_time_us(uint64_t ns, bool utc, const char *want)
{
	struct stamp stamp = {};
	struct buffer buffer;

	assert_string_equal(ended(&buffer, put_time_us(buffer.text, &stamp, ns, utc)), want);
}

static void test_time(void **state)
{
	const uint64_t noon = 1709208000 * S; /* 2024-02-29T12:00:00Z */
	struct stamp stamp = {};
	struct buffer buffer;

	(void)state;
	setenv("TZ", "NPT-5:45", 1);
	tzset();
	assert_time_us(noon, true, "12:00:00.000000");
	assert_time_us(noon, false, "17:45:00.000000");
	/* Times are cut, not rounded: otherwise the last microsecond of a day would become 60 s. */
	assert_time_us(noon + 999999999, true, "12:00:00.999999");
	assert_string_equal(ended(&buffer, put_time(buffer.text, &stamp, noon + S, true)),
			    "12:00:01");
	unsetenv("TZ");
	tzset();
}

static void test_seconds(void **state)
{
	struct buffer buffer;

	(void)state;
	assert_string_equal(ended(&buffer, put_seconds_us(buffer.text, 0)), "0.000000");
	assert_string_equal(ended(&buffer, put_seconds_us(buffer.text, 1999999999)), "1.999999");
	assert_string_equal(ended(&buffer, put_seconds_us(buffer.text, UINT64_MAX)),
			    "18446744073.709551");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agrees_with_the_kernel),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_since_start),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_seconds),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
