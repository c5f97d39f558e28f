// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What `stat` reads from the kernel: sums over processors and reports, groups, percentiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/hist.h"
#include "stat_story.h"

#define VALUES 5000

static const struct stat_group *groups_of(struct stat_table *table, size_t want)
{
	const struct stat_group *groups;
	size_t count;

	assert_int_equal(stat_table_groups(table, &groups, &count), 0);
	assert_int_equal(count, want);
	return groups;
}

static void test_empty(void **state)
{
	struct stat_table *table = stat_table_new(10, TCPDWELL_BY_STATE);

	(void)state;
	groups_of(table, 0);
	assert_int_equal(stat_table_rows(table), 0);
	stat_table_clear(table);
	stat_table_free(table);
	stat_table_free(NULL);
}

static void test_processors_are_summed(void **state)
{
	struct stat_table *table = stat_table_new(10, TCPDWELL_BY_PORT);
	const struct tcpdwell_stat_key key = { .state = TCPDWELL_ESTABLISHED, .number = 443 };
	const struct stat_group *group;
	struct hist hist;

	(void)state;
	story_add(table, key, 0, 1000, 2);
	story_add(table, key, 1, 1000, 3);
	story_add(table, key, 1, 900000, 1);
	group = groups_of(table, 1);
	assert_int_equal(group->count, 6);
	assert_int_equal(group->key.number, 443);
	assert_int_equal(group->key.cpu, 0);
	stat_table_hist(table, group, &hist);
	assert_int_equal(hist.count, 6);
	assert_int_equal(hist.max_ns, 900000);
	assert_int_equal(hist.buckets[buckets_index(1000)], 5);
	assert_int_equal(stat_table_rows(table), 6);
	stat_table_free(table);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

/* The nearest rank of the values and what the buckets say differ by no more than a bucket. */
static void test_percentiles_are_within_a_bucket(void **state)
{
	static const double percents[] = { 1, 50, 90, 99, 99.9, 100 };
	static uint64_t values[VALUES];
	struct stat_table *table = stat_table_new(1000, TCPDWELL_BY_STATE);
	const struct tcpdwell_stat_key key = { .state = TCPDWELL_FIN_WAIT2 };
	uint64_t seed = 88172645463325252ULL;
	struct hist hist;

	(void)state;
	for (unsigned int i = 0; i < VALUES; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		values[i] = seed >> (seed % 60); /* spread over all powers of two */
		story_add(table, key, i % 4, values[i], 1);
	}
	qsort(values, VALUES, sizeof(*values), compare);
	stat_table_hist(table, groups_of(table, 1), &hist);
	for (unsigned int i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		uint64_t exact = values[(unsigned int)(percents[i] * VALUES / 100 + 0.5) - 1];
		uint64_t got = hist_percentile(&hist, percents[i]);

		assert_int_equal(buckets_index(got), buckets_index(exact));
	}
	assert_int_equal(hist_percentile(&hist, 100), values[VALUES - 1]);
	stat_table_free(table);
}

static void test_order_of_groups(void **state)
{
	struct stat_view view = story_view();
	const struct stat_group *groups = groups_of(view.table, 5);

	(void)state;
	assert_int_equal(groups[0].key.state, TCPDWELL_SYN_SENT);
	assert_int_equal(groups[1].key.number, 10599);
	assert_int_equal(groups[2].key.number, 9908);
	assert_int_equal(groups[2].count, 40);
	assert_int_equal(groups[2].at_least, 2);
	assert_int_equal(groups[2].at_least_max_ns, 3600 * 1000 * STORY_MS);
	assert_int_equal(groups[3].key.state, TCPDWELL_TIME_WAIT);
	assert_int_equal(groups[3].key.number, 0);
	/* What was sorted is still found by its key. */
	story_add(view.table, story_process(TCPDWELL_SYN_SENT, 10599, "curl"), 3, 126000, 5);
	groups = groups_of(view.table, 5);
	assert_int_equal(groups[0].count, 305);
	stat_table_free(view.table);
}

/* The order is that of all other tables; what is timed before ESTABLISHED comes before it. */
static void test_order_of_states(void **state)
{
	static const uint8_t order[] = {
		TCPDWELL_LISTEN,	 TCPDWELL_SYN_SENT,    TCPDWELL_SYN_RECV,
		TCPDWELL_STAT_HANDSHAKE, TCPDWELL_STAT_ACCEPT, TCPDWELL_ESTABLISHED,
		TCPDWELL_FIN_WAIT1,	 TCPDWELL_FIN_WAIT2,   TCPDWELL_CLOSE_WAIT,
		TCPDWELL_CLOSING,	 TCPDWELL_LAST_ACK,    TCPDWELL_TIME_WAIT,
		TCPDWELL_CLOSE,
	};
	size_t states = sizeof(order) / sizeof(*order);
	struct stat_table *table = stat_table_new(states, TCPDWELL_BY_STATE);
	const struct stat_group *groups;

	(void)state;
	for (size_t i = 0; i < states; i++)
		story_add(table, (struct tcpdwell_stat_key){ .state = order[i * 5 % states] }, 0, 5,
			  1);
	groups = groups_of(table, states);
	for (size_t i = 0; i < states; i++)
		assert_int_equal(groups[i].key.state, order[i]);
	stat_table_free(table);
}

/* A kernel may leave the rest of a longer name behind the NUL. */
static void test_names_end_with_their_nul(void **state)
{
	struct stat_table *table = stat_table_new(10, TCPDWELL_BY_COMM);
	struct tcpdwell_stat_key key = { .state = TCPDWELL_CLOSE_WAIT, .comm = "sh\0thon3" };

	(void)state;
	story_add(table, key, 0, 5, 1);
	memset(key.comm + 3, 0, sizeof(key.comm) - 3);
	story_add(table, key, 0, 5, 1);
	assert_int_equal(groups_of(table, 1)->count, 2);
	stat_table_free(table);
}

/* Every byte of an address counts. */
static void test_addresses_are_not_names(void **state)
{
	struct stat_table *table = stat_table_new(10, TCPDWELL_BY_PREFIX);
	struct tcpdwell_stat_key key = { .state = TCPDWELL_CLOSE_WAIT, .addr = { [15] = 1 } };

	(void)state;
	story_add(table, key, 0, 5, 1);
	key.addr[15] = 2;
	story_add(table, key, 0, 5, 1);
	groups_of(table, 2);
	assert_false(stat_key_is_ipv4(&key));
	key.addr[10] = key.addr[11] = 0xff;
	assert_true(stat_key_is_ipv4(&key));
	stat_table_free(table);
}

static void test_what_finds_no_place_is_not_lost(void **state)
{
	enum { MAX = 300, KEYS = 1000 };
	struct stat_table *table = stat_table_new(MAX, TCPDWELL_BY_RPORT);
	struct tcpdwell_stat_key key = { .state = TCPDWELL_SYN_SENT };
	const struct stat_group *groups;
	uint64_t rows = 0;

	(void)state;
	for (key.number = 1; key.number <= KEYS; key.number++)
		story_add(table, key, 0, 1000, key.number);
	groups = groups_of(table, MAX + 1);
	for (size_t i = 0; i <= MAX; i++) {
		rows += groups[i].count;
		assert_int_equal(groups[i].others, i == MAX);
	}
	assert_int_equal(rows, KEYS * (KEYS + 1) / 2);
	assert_int_equal(stat_table_rows(table), rows);
	stat_table_free(table);
}

static void test_merge_and_clear(void **state)
{
	struct stat_view view = story_view();
	struct stat_table *all = stat_table_new(100, TCPDWELL_BY_PROCESS);

	(void)state;
	assert_int_equal(stat_table_merge(all, view.table), 0);
	assert_int_equal(stat_table_merge(all, view.table), 0);
	assert_int_equal(stat_table_rows(all), 2 * stat_table_rows(view.table));
	assert_int_equal(groups_of(all, 5)[0].count, 600);
	stat_table_clear(view.table);
	assert_int_equal(stat_table_rows(view.table), 0);
	groups_of(view.table, 0);
	story_add(view.table, story_process(TCPDWELL_CLOSING, 1, "init"), 0, 1, 1);
	groups_of(view.table, 1);
	stat_table_free(view.table);
	stat_table_free(all);
}

/* A complete handshake is in the group of its state, too, but is one row. */
static void test_complete_handshakes(void **state)
{
	struct stat_table *table = stat_table_new(10, TCPDWELL_BY_STATE);
	const struct stat_group *groups;

	(void)state;
	story_add(table, (struct tcpdwell_stat_key){ .state = TCPDWELL_STAT_CONNECTED }, 0, 100, 3);
	story_add(table, (struct tcpdwell_stat_key){ .state = TCPDWELL_STAT_COMPLETED }, 0, 100, 4);
	story_add(table, (struct tcpdwell_stat_key){ .state = TCPDWELL_SYN_SENT }, 0, 100, 1);
	story_add(table, (struct tcpdwell_stat_key){ .state = TCPDWELL_STAT_ACCEPT }, 0, 100, 2);
	groups = groups_of(table, 4);
	assert_string_equal(stat_state_name(groups[0].key.state), "SYN_SENT");
	assert_int_equal(groups[0].count, 4);
	assert_string_equal(stat_state_name(groups[1].key.state), "SYN_RECV");
	assert_int_equal(groups[1].count, 4);
	assert_string_equal(stat_state_name(groups[2].key.state), "HANDSHAKE");
	assert_int_equal(groups[2].count, 7);
	assert_string_equal(stat_state_name(groups[3].key.state), "ACCEPT");
	assert_int_equal(groups[3].count, 2);
	assert_int_equal(stat_table_rows(table), 10);
	stat_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_processors_are_summed),
		cmocka_unit_test(test_percentiles_are_within_a_bucket),
		cmocka_unit_test(test_order_of_groups),
		cmocka_unit_test(test_order_of_states),
		cmocka_unit_test(test_names_end_with_their_nul),
		cmocka_unit_test(test_addresses_are_not_names),
		cmocka_unit_test(test_what_finds_no_place_is_not_lost),
		cmocka_unit_test(test_merge_and_clear),
		cmocka_unit_test(test_complete_handshakes),
	};

	return cmocka_run_group_tests_name("stat_table", tests, NULL, NULL);
}
