// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts requests whose end was missed, by what is left of the timers of each second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/overdue.h"

#define SECONDS TCPDWELL_TIMER_SECONDS

static void test_only_what_is_over(void **state)
{
	struct tcpdwell_timers timers = { .armed[10] = 5 };
	struct overdue overdue = {};

	(void)state;
	/* Their timers may still run out, or run out a little late. */
	assert_int_equal(overdue_count(&overdue, &timers, 1, 0), 0);
	assert_int_equal(overdue_count(&overdue, &timers, 1, 10), 0);
	assert_int_equal(overdue_count(&overdue, &timers, 1, 11), 0);
	assert_int_equal(overdue_count(&overdue, &timers, 1, 12), 5);
	assert_int_equal(overdue_count(&overdue, &timers, 1, 13), 5);
	/* The end of one of them was reported after all. */
	timers.armed[10]--;
	assert_int_equal(overdue_count(&overdue, &timers, 1, 14), 4);
}

static void test_one_cpu_arms_and_another_takes_off(void **state)
{
	struct tcpdwell_timers timers[2] = { { .armed[10] = 5 }, { .armed[10] = -3 } };
	struct overdue overdue = {};

	(void)state;
	assert_int_equal(overdue_count(&overdue, timers, 2, 20), 2);
}

/* A request that is armed again counts once, whatever second it was moved from. */
static void test_armed_anew(void **state)
{
	struct tcpdwell_timers timers = { .armed[10] = -1, .armed[11] = 1 };
	struct overdue overdue = {};

	(void)state;
	assert_int_equal(overdue_count(&overdue, &timers, 1, 20), 0);
}

static void test_armed_before_the_start(void **state)
{
	struct tcpdwell_timers timers = { .armed[10] = -3 };
	struct overdue overdue = {};

	(void)state;
	assert_int_equal(overdue_count(&overdue, &timers, 1, 20), 0);
	timers.armed[11] = 5;
	assert_int_equal(overdue_count(&overdue, &timers, 1, 20), 2);
}

/* In time, the same slot stands for another second. */
static void test_turns(void **state)
{
	struct tcpdwell_timers timers = { .armed[10] = 5 };
	struct overdue overdue = {};

	(void)state;
	assert_int_equal(overdue_count(&overdue, &timers, 1, 20), 5);
	/* Timers that are armed for the next turn are not due. */
	timers.armed[10] += 100;
	assert_int_equal(overdue_count(&overdue, &timers, 1, SECONDS + 5), 5);
	timers.armed[10] -= 98;
	assert_int_equal(overdue_count(&overdue, &timers, 1, SECONDS + 20), 7);
	/* Several turns pass without a look. */
	assert_int_equal(overdue_count(&overdue, &timers, 1, 5 * SECONDS + 15), 7);
	/* The number of the second itself wraps around. */
	assert_int_equal(overdue_count(&overdue, &timers, 1, UINT32_MAX), 7);
	assert_int_equal(overdue_count(&overdue, &timers, 1, 12), 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_over),
		cmocka_unit_test(test_one_cpu_arms_and_another_takes_off),
		cmocka_unit_test(test_armed_anew),
		cmocka_unit_test(test_armed_before_the_start),
		cmocka_unit_test(test_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
