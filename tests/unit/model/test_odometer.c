// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* By how much other programs' counters have grown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/odometer.h"

static void test_growth(void **state)
{
	struct odometer *o = odometer_new();

	(void)state;
	assert_non_null(o);
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 1, 5), 5);
	assert_int_equal(odometer_grew(o, 9, 0), 0);
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 9, 4), 4);
	assert_int_equal(odometer_grew(o, 1, 7), 2);
	assert_int_equal(odometer_grew(o, 2, 3), 3); /* a new counter */
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 1, 6), 0); /* it went back */
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 1, 8), 2);
	assert_int_equal(odometer_grew(o, 2, 4), 4); /* it was gone, so this is a new counter */
	odometer_free(o);
}

/* After a look that broke off, nothing is counted twice and nothing is forgotten. */
static void test_a_look_that_breaks_off(void **state)
{
	struct odometer *o = odometer_new();

	(void)state;
	odometer_look(o);
	assert_int_equal(odometer_keep(o), 0);
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 7, 5), 5);
	assert_int_equal(odometer_grew(o, 3, 5), 5);
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 9, 1), 1);
	assert_int_equal(odometer_grew(o, 3, 6), 1);
	assert_int_equal(odometer_keep(o), 0);
	odometer_look(o);
	assert_int_equal(odometer_keep(o), 0);
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 7, 8), 3);
	assert_int_equal(odometer_grew(o, 3, 8), 2);
	assert_int_equal(odometer_grew(o, 9, 4), 3);
	odometer_free(o);
}

static void test_a_counter_that_begins_again(void **state)
{
	struct odometer *o = odometer_new();

	(void)state;
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 1, 5), 5);
	assert_int_equal(odometer_grew(o, 2, 5), 5);
	odometer_forget(o, 1);
	odometer_forget(o, 3);
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 1, 3), 3);
	assert_int_equal(odometer_grew(o, 2, 6), 1);
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 1, 3), 0);
	odometer_forget(o, 1);
	assert_int_equal(odometer_keep(o), 0); /* the look breaks off */
	odometer_look(o);
	assert_int_equal(odometer_grew(o, 1, 2), 2);
	assert_int_equal(odometer_grew(o, 2, 8), 2);
	odometer_free(o);
}

static void test_many(void **state)
{
	struct odometer *o = odometer_new();

	(void)state;
	for (uint64_t look = 1; look <= 3; look++) {
		odometer_look(o);
		for (uint64_t i = 0; i < 10000; i++)
			assert_int_equal(odometer_grew(o, odometer_key(1, &i, sizeof(i)), look * i),
					 i);
	}
	odometer_free(o);
}

static void test_keys_tell_apart(void **state)
{
	const uint32_t one = 1, two = 2;

	(void)state;
	assert_true(odometer_key(1, &one, sizeof(one)) != odometer_key(1, &two, sizeof(two)));
	assert_true(odometer_key(1, &one, sizeof(one)) != odometer_key(2, &one, sizeof(one)));
	assert_true(odometer_key(1, &one, sizeof(one)) == odometer_key(1, &one, sizeof(one)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_a_look_that_breaks_off),
		cmocka_unit_test(test_a_counter_that_begins_again),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_keys_tell_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
