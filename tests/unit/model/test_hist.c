// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Histograms: how inexact they may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/hist.h"

#define MS 1000000ULL

static void test_buckets(void **state)
{
	uint64_t next;

	(void)state;
	assert_int_equal(buckets_index(0), 0);
	assert_int_equal(buckets_index(UINT64_MAX), BUCKETS - 1);
	for (unsigned int i = 0; i < BUCKETS; i++) {
		uint64_t first = buckets_lowest(i);

		assert_int_equal(buckets_index(first), i);
		if (i + 1 == BUCKETS)
			break;
		next = buckets_lowest(i + 1);
		assert_int_equal(buckets_index(next - 1), i);
		/* A bucket is no wider than 1/32 of the values in it. */
		assert_true(next > first && (next - first == 1 || next - first <= first / 32));
	}
}

static void test_empty(void **state)
{
	struct hist *hist = calloc(1, sizeof(*hist));
	struct hist *other = calloc(1, sizeof(*other));

	(void)state;
	assert_true(hist_percentile(hist, 50) == 0);
	hist_merge(hist, other);
	assert_true(hist->count == 0);
	free(other);
	free(hist);
}

static void test_one_value(void **state)
{
	struct hist *hist = calloc(1, sizeof(*hist));

	(void)state;
	hist_add(hist, 61234567890ULL);
	assert_true(hist->count == 1 && hist->min_ns == 61234567890ULL);
	assert_true(hist->max_ns == 61234567890ULL);
	/* One value is known exactly, at each percentile. */
	assert_true(hist_percentile(hist, 0) == 61234567890ULL);
	assert_true(hist_percentile(hist, 50) == 61234567890ULL);
	assert_true(hist_percentile(hist, 100) == 61234567890ULL);
	free(hist);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void assert_near(uint64_t got, uint64_t exact)
{
	uint64_t off = got > exact ? got - exact : exact - got;

	assert_true(off <= exact / 64 + 1);
}

/* Percentiles against sorted values, over all magnitudes. */
static void test_percentiles(void **state)
{
	enum { N = 1000 };
	static const double percents[] = { 0, 1, 10, 50, 90, 99, 99.9, 100 };
	static const unsigned int ranks[] = { 1, 10, 100, 500, 900, 990, 999, 1000 };
	struct hist *hist = calloc(1, sizeof(*hist));
	uint64_t values[N];

	(void)state;
	srandom(1);
	for (int i = 0; i < N; i++) {
		values[i] = ((uint64_t)random() << 31 | random()) >> (random() % 62);
		hist_add(hist, values[i]);
	}
	qsort(values, N, sizeof(values[0]), compare);
	for (int i = 0; i < 8; i++)
		assert_near(hist_percentile(hist, percents[i]), values[ranks[i] - 1]);
	assert_true(hist->min_ns == values[0] && hist->max_ns == values[N - 1]);
	assert_true(hist_percentile(hist, 100) == values[N - 1]);
	free(hist);
}

static void test_many_and_merge(void **state)
{
	struct hist *one = calloc(1, sizeof(*one));
	struct hist *two = calloc(1, sizeof(*two));
	struct hist *all = calloc(1, sizeof(*all));

	(void)state;
	for (int i = 0; i < 100; i++) {
		hist_add(all, i < 90 ? 10 * MS : 5);
		hist_add(i < 90 ? one : two, i < 90 ? 10 * MS : 5);
	}
	hist_merge(one, two);
	assert_memory_equal(one, all, sizeof(*one));

	memset(one, 0, sizeof(*one));
	hist_merge(one, all);
	assert_memory_equal(one, all, sizeof(*one));

	free(all);
	free(two);
	free(one);
}

/* The values were counted elsewhere: only the bucket's bounds are known of them. */
static void test_foreign_buckets(void **state)
{
	struct hist *hist = calloc(1, sizeof(*hist));
	unsigned int index = buckets_index(1000000);

	(void)state;
	hist_add_bucket(hist, index, 0);
	hist_set_max(hist, 5);
	assert_true(hist->count == 0 && hist->max_ns == 0);
	hist_add_bucket(hist, index, 3);
	hist_add_bucket(hist, buckets_index(1000), 1);
	assert_true(hist->count == 4);
	assert_true(hist->min_ns == buckets_lowest(buckets_index(1000)));
	assert_true(hist->max_ns == buckets_lowest(index));
	hist_set_max(hist, 1000000);
	assert_true(hist_percentile(hist, 100) == 1000000);
	assert_int_equal(buckets_index(hist_percentile(hist, 50)), index);
	assert_true(hist_power_count(hist, 9) == 1 && hist_power_count(hist, 19) == 3);
	free(hist);
}

/* Powers up to the last range, whose end does not fit into 64 bits. */
static void test_powers(void **state)
{
	struct hist *hist = calloc(1, sizeof(*hist));

	(void)state;
	hist_add(hist, 1ULL << 63);
	hist_add(hist, UINT64_MAX);
	hist_add(hist, 0);
	assert_int_equal(hist_power_lowest(0), 0);
	assert_int_equal(hist_power_end(0), 2);
	assert_true(hist_power_lowest(63) == 1ULL << 63 && hist_power_end(63) == UINT64_MAX);
	assert_true(hist_power_end(62) == 1ULL << 63);
	assert_int_equal(hist_power_count(hist, 63), 2);
	assert_int_equal(hist_power_count(hist, 62), 0);
	assert_int_equal(hist_power_count(hist, 0), 1);
	free(hist);
}

/* The count is the most that 64 bits hold: as a double that is 2^64. */
static void test_full(void **state)
{
	struct hist *hist = calloc(1, sizeof(*hist));

	(void)state;
	hist_add_bucket(hist, buckets_index(1000), UINT64_MAX);
	hist_set_max(hist, 1001);
	assert_true(hist_percentile(hist, 100) == 1001);
	assert_int_equal(buckets_index(hist_percentile(hist, 50)), buckets_index(1000));
	free(hist);
}

static void test_marks(void **state)
{
	(void)state;
	assert_int_equal(hist_marks(0, 5, 8), 0);
	assert_int_equal(hist_marks(1, 1000, 8), 1);
	assert_int_equal(hist_marks(5, 5, 8), 8);
	assert_int_equal(hist_marks(UINT64_MAX, UINT64_MAX, 32), 32);
	assert_int_equal(hist_marks(1ULL << 63, UINT64_MAX, 32), 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buckets),	       cmocka_unit_test(test_empty),
		cmocka_unit_test(test_one_value),      cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_many_and_merge), cmocka_unit_test(test_foreign_buckets),
		cmocka_unit_test(test_powers),	       cmocka_unit_test(test_full),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
