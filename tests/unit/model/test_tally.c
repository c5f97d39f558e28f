// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counts by key: the clock of seconds, rates, and what happens when there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/tally.h"

#define S 1000000000ULL

static void test_enter_and_leave(void **state)
{
	struct tally tally = {};

	(void)state;
	tally_enter(&tally, 100 * S);
	tally_enter(&tally, 101 * S);
	assert_int_equal(tally_now(&tally), 2);
	tally_leave(&tally, 102 * S, 100 * S);
	assert_int_equal(tally_now(&tally), 1);
	assert_int_equal(tally.entered, 2);
	assert_int_equal(tally.left, 1);
	assert_int_equal(tally.peak, 2);
	/* If an entry was lost, the leave does not make the count less than nothing. */
	tally_leave(&tally, 103 * S, 101 * S);
	tally_leave(&tally, 103 * S, 102 * S);
	assert_int_equal(tally_now(&tally), 0);
	assert_int_equal(tally.left, 2);
}

static void test_due(void **state)
{
	struct tally tally = {};

	(void)state;
	tally_enter(&tally, 100 * S + 1);
	tally_enter(&tally, 100 * S + 2);
	tally_enter(&tally, 110 * S);
	assert_int_equal(tally_due(&tally, 50), 2);
	assert_int_equal(tally_due(&tally, 60), 1);
	/* A connection that leaves early is not due any more. */
	tally_leave(&tally, 111 * S, 100 * S + 1);
	assert_int_equal(tally_due(&tally, 49), 1);
	tally_advance(&tally, 160 * S);
	assert_int_equal(tally_due(&tally, 0), 1);
	tally_advance(&tally, 161 * S);
	assert_int_equal(tally_due(&tally, 0), 0);
	assert_int_equal(tally_due(&tally, 9), 1);
	/* It counts until it is seen to leave, due or not. */
	assert_int_equal(tally_now(&tally), 2);
	assert_int_equal(tally_due(&tally, TALLY_SECONDS), 0);
}

/* A connection whose entry was lost does not take an old one's place when it leaves. */
static void test_leave_beside_old(void **state)
{
	struct tally tally = {};
	uint64_t end;

	(void)state;
	tally_advance(&tally, 100 * S);
	end = tally_add_old(&tally, 100 * S, 30 * S);
	tally_enter(&tally, 100 * S);
	tally_leave(&tally, 101 * S, (end - 60) * S);
	tally_leave_old(&tally, 102 * S, end);
	tally_advance(&tally, 200 * S);
	assert_int_equal(tally_now(&tally), 0);
}

/* Nobody saw these leave, though they must have left. */
static void test_overdue(void **state)
{
	struct tally tally = {}, later;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		tally_enter(&tally, 100 * S);
	tally_enter(&tally, 101 * S);
	tally_advance(&tally, 160 * S + TALLY_LATE_SECONDS * S);
	assert_int_equal(tally_now(&tally), 4);
	/* One that is a little late leaves as usual. */
	tally_leave(&tally, 160 * S + TALLY_LATE_SECONDS * S, 100 * S);
	assert_int_equal(tally_now(&tally), 3);
	tally_advance(&tally, 161 * S + TALLY_LATE_SECONDS * S);
	assert_int_equal(tally_now(&tally), 1);
	assert_int_equal(tally.left, 3);
	assert_int_equal(tally.overdue, 2);
	/* One of them was still there, and leaves now: it counts as left once. */
	tally_leave(&tally, 200 * S, 100 * S);
	assert_int_equal(tally_now(&tally), 0);
	assert_int_equal(tally.left, 4);
	assert_int_equal(tally.overdue, 2);
	/* A clock that stood still for long has missed nothing. */
	tally_enter(&tally, 300 * S);
	later = tally;
	tally_advance(&later, 361 * S + TALLY_LATE_SECONDS * S);
	assert_int_equal(tally_now(&later), 0);
	tally_advance(&tally, 10000 * S);
	assert_int_equal(tally_now(&tally), 0);
	assert_int_equal(tally.second, 10000);
}

/* No row reports the end of old ones: they end when they are due. */
static void test_old(void **state)
{
	struct tally tally = {};
	uint64_t end;

	(void)state;
	end = tally_add_old(&tally, 100 * S, 5 * S);
	assert_int_equal(end, 105);
	tally_add_old(&tally, 100 * S, 59 * S + S / 2);
	tally_add_old(&tally, 100 * S, 1000 * S);
	assert_int_equal(tally_now(&tally), 3);
	tally_advance(&tally, 105 * S);
	assert_int_equal(tally_now(&tally), 3);
	tally_advance(&tally, 106 * S);
	assert_int_equal(tally_now(&tally), 2);
	tally_leave_old(&tally, 106 * S, end); /* it has already ended */
	assert_int_equal(tally_now(&tally), 2);
	tally_leave_old(&tally, 107 * S, 159);
	assert_int_equal(tally_now(&tally), 1);
	tally_leave_old(&tally, 107 * S, 159);
	assert_int_equal(tally_now(&tally), 1);
	tally_advance(&tally, 1000 * S);
	assert_int_equal(tally_now(&tally), 0);
	assert_int_equal(tally.old, 3);
	assert_int_equal(tally.peak, 3);
}

static void test_rate(void **state)
{
	struct tally tally = {};

	(void)state;
	assert_true(tally_rate(&tally, 100 * S, 100 * S) == 0);
	for (uint64_t i = 0; i < 40; i++)
		tally_enter(&tally, 100 * S + i * S / 20);
	/* A run of two seconds knows only its mean. */
	assert_true(tally_rate(&tally, 100 * S, 102 * S) == 20);
	for (uint64_t i = 0; i < 300; i++)
		tally_enter(&tally, 120 * S + i * S / 100);
	tally_advance(&tally, 125 * S);
	assert_true(tally_rate(&tally, 100 * S, 125 * S) == 30);
	tally_advance(&tally, 140 * S);
	assert_true(tally_rate(&tally, 100 * S, 140 * S) == 0);
}

static struct tally_key key_of(uint32_t pid)
{
	return (struct tally_key){ .pid = pid, .comm = "x" };
}

static void test_keys(void **state)
{
	struct tallies *tallies = tallies_new();
	struct tally_key one = key_of(1), two = key_of(2);

	(void)state;
	assert_non_null(tallies);
	tally_enter(tallies_take(tallies, &one, 100 * S), 100 * S);
	tally_enter(tallies_take(tallies, &two, 101 * S), 101 * S);
	tally_enter(tallies_take(tallies, &two, 102 * S), 102 * S);
	assert_int_equal(tallies_count(tallies), 2);
	assert_int_equal(tally_now(tallies_find(tallies, &two)), 2);
	assert_int_equal(tally_now(tallies_at(tallies, 0, 103 * S)), 1);
	assert_false(tallies_overflowed(tallies));
	/* No third process is known. */
	two.pid = 3;
	assert_ptr_equal(tallies_find(tallies, &two), tallies_other(tallies, 103 * S));
	tallies_free(tallies);
	tallies_free(NULL);
}

/* The table is full of keys that are in use: further keys are counted together. */
static void test_full(void **state)
{
	struct tallies *tallies = tallies_new();
	struct tally_key key;

	(void)state;
	for (uint32_t i = 1; i <= TALLIES_KEYS + 10; i++) {
		key = key_of(i);
		tally_enter(tallies_take(tallies, &key, 100 * S), 100 * S);
	}
	assert_int_equal(tallies_count(tallies), TALLIES_KEYS);
	assert_true(tallies_overflowed(tallies));
	assert_int_equal(tally_now(tallies_other(tallies, 100 * S)), 10);
	key = key_of(TALLIES_KEYS + 1);
	tally_leave(tallies_holder(tallies, &key, 100 * S), 101 * S, 100 * S);
	assert_int_equal(tally_now(tallies_other(tallies, 101 * S)), 9);
	tallies_free(tallies);
}

/* Keys with nothing left make room, the less used ones first, and their counts are kept. */
static void test_room(void **state)
{
	struct tallies *tallies = tallies_new();
	struct tally_key busy = key_of(1), key, late = key_of(TALLIES_KEYS + 1);
	struct tally *tally;

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		tally = tallies_take(tallies, &busy, 100 * S);
		tally_enter(tally, 100 * S);
		tally_leave(tally, 100 * S, 100 * S);
	}
	for (uint32_t i = 2; i <= TALLIES_KEYS; i++) {
		key = key_of(i);
		tally_enter(tallies_take(tallies, &key, 100 * S), 100 * S);
	}
	/* A key that finds no room, and does so twice, must not be confused afterwards. */
	tally_enter(tallies_take(tallies, &busy, 100 * S), 100 * S);
	tally_enter(tallies_take(tallies, &late, 100 * S), 100 * S);
	tally_leave(tallies_find(tallies, &busy), 100 * S, 100 * S);
	for (uint32_t i = 3; i <= TALLIES_KEYS; i += 2) {
		key = key_of(i);
		tally_leave(tallies_find(tallies, &key), 100 * S, 100 * S);
	}
	tally = tallies_take(tallies, &late, 102 * S);
	tally_enter(tally, 102 * S);
	assert_ptr_not_equal(tally, tallies_other(tallies, 102 * S));
	assert_ptr_equal(tallies_holder(tallies, &late, 100 * S), tallies_other(tallies, 102 * S));
	assert_ptr_equal(tallies_holder(tallies, &late, 102 * S), tallies_find(tallies, &late));
	assert_int_equal(tallies_find(tallies, &busy)->entered, 6);
	key = key_of(2);
	assert_int_equal(tally_now(tallies_find(tallies, &key)), 1);
	assert_in_range(tallies_count(tallies), TALLIES_KEYS / 2, TALLIES_KEYS / 2 + 2);
	/* Of the odd keys, TALLIES_KEYS / 2 - 1 had left. */
	assert_int_equal(tallies_other(tallies, 102 * S)->left, TALLIES_KEYS / 2 - 1);
	tallies_free(tallies);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enter_and_leave),
		cmocka_unit_test(test_due),
		cmocka_unit_test(test_leave_beside_old),
		cmocka_unit_test(test_overdue),
		cmocka_unit_test(test_old),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
