// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The set of sockets that existed at the start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/olds.h"

/* Returns well-spread hashes, as tally_key_hash() does. */
static uint64_t hash_of(uint64_t i)
{
	i = (i + 1) * 0x9e3779b97f4a7c15ULL;
	return (i ^ i >> 29) * 0xbf58476d1ce4e5b9ULL;
}

static void test_take(void **state)
{
	struct olds *olds = olds_new();
	uint64_t end = 0;

	(void)state;
	assert_non_null(olds);
	assert_false(olds_take(olds, hash_of(1), 1000, &end));
	olds_add(olds, hash_of(1), 1059);
	olds_add(olds, hash_of(2), 1000);
	olds_add(olds, hash_of(3), 1063);
	assert_true(olds_take(olds, hash_of(1), 1000, &end));
	assert_int_equal(end, 1059);
	assert_false(olds_take(olds, hash_of(1), 1000, &end));
	assert_true(olds_take(olds, hash_of(2), 1000, &end));
	assert_int_equal(end, 1000);
	assert_true(olds_take(olds, hash_of(3), 1000, &end));
	assert_int_equal(end, 1063);
	olds_free(olds);
	olds_free(NULL);
}

static void test_many(void **state)
{
	struct olds *olds = olds_new();
	uint64_t end;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		olds_add(olds, hash_of(i), 500 + i % 60);
	for (uint64_t i = 0; i < 100000; i += 2) {
		assert_true(olds_take(olds, hash_of(i), 500, &end));
		assert_int_equal(end, 500 + i % 60);
	}
	for (uint64_t i = 0; i < 100000; i++)
		assert_int_equal(olds_take(olds, hash_of(i), 500, &end), i % 2);
	olds_free(olds);
}

static void test_too_many(void **state)
{
	struct olds *olds = olds_new();
	uint64_t end, found = 0;

	(void)state;
	for (uint64_t i = 0; i < OLDS_MAX + 1000; i++)
		olds_add(olds, hash_of(i), 7);
	for (uint64_t i = 0; i < OLDS_MAX + 1000; i++)
		found += olds_take(olds, hash_of(i), 0, &end);
	assert_int_equal(found, OLDS_MAX);
	olds_free(olds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests_name("olds", tests, NULL, NULL);
}
