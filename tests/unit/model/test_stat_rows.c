// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The report of `stat` made from rows, against the one from what the kernel side sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/stat_rows.h"
#include "stat_story.h"

static const struct stat_grouping by_process = { .by = TCPDWELL_BY_PROCESS };

/* Adds @times rows that leave @from. */
static void add_rows(struct stat_table *table, const struct stat_grouping *grouping,
		     struct tcpdwell_transition row, uint64_t times)
{
	struct tcpdwell_stat_key key;
	struct tcpdwell_stat sum;

	for (uint64_t i = 0; i < times; i++)
		if (stat_row_sum(grouping, &row, &key, &sum))
			assert_int_equal(stat_table_add(table, &key, &sum), 0);
}

static struct tcpdwell_transition row_of(uint8_t from, uint8_t to, uint8_t dwell, uint64_t ns)
{
	return (struct tcpdwell_transition){
		.from = from,
		.to = to,
		.dwell = dwell,
		.dwell_ns = ns,
		.family = 4,
		.raddr = { 198, 51, 100, 7 },
		.lport = 50000,
		.rport = 443,
		.netns = 7,
		.cgroup_id = 9,
	};
}

static struct tcpdwell_transition owned(struct tcpdwell_transition row, uint32_t pid,
					const char *comm)
{
	row.owner = TCPDWELL_OWNER_CONNECT;
	row.pid = pid;
	snprintf(row.comm, sizeof(row.comm), "%s", comm);
	return row;
}

/* Adds the rows of the story, which elsewhere are added as sums. */
static void test_same_report(void **state)
{
	const uint8_t exact = TCPDWELL_DWELL_EXACT, open = TCPDWELL_ESTABLISHED;
	struct stat_view sums = story_view(), rows = sums;
	struct tcpdwell_transition row;
	char *want, *got;

	(void)state;
	rows.table = stat_table_new(100, TCPDWELL_BY_PROCESS);
	assert_non_null(rows.table);
	row = row_of(open, TCPDWELL_FIN_WAIT1, exact, 22 * STORY_MS);
	add_rows(rows.table, &by_process, owned(row, 10599, "curl"), 290);
	add_rows(rows.table, &by_process, owned(row, 9908, "nginx"), 40);
	row.dwell_ns = 100 * STORY_MS;
	add_rows(rows.table, &by_process, owned(row, 10599, "curl"), 10);
	row = row_of(open, TCPDWELL_CLOSE, TCPDWELL_DWELL_AT_LEAST, 3600 * 1000 * STORY_MS);
	add_rows(rows.table, &by_process, owned(row, 9908, "nginx"), 2);
	row = row_of(TCPDWELL_SYN_SENT, TCPDWELL_CLOSE, exact, 126000);
	add_rows(rows.table, &by_process, owned(row, 10599, "curl"), 300);
	row = row_of(TCPDWELL_TIME_WAIT, TCPDWELL_CLOSE, exact, 61600 * STORY_MS);
	add_rows(rows.table, &by_process, row, 7);
	row.dwell_ns = 500;
	add_rows(rows.table, &by_process, owned(row, 7, "\033[31m"), 1);
	/* The first row of a life has no known dwell: it adds nothing. */
	row = row_of(TCPDWELL_CLOSE, TCPDWELL_SYN_SENT, TCPDWELL_DWELL_UNKNOWN, 0);
	add_rows(rows.table, &by_process, owned(row, 10599, "curl"), 300);

	want = story_json(&sums);
	got = story_json(&rows);
	assert_string_equal(got, want);
	free(want);
	free(got);
}

/* Returns the only group of a single row, by @grouping. */
static struct tcpdwell_stat_key group_of(struct stat_grouping grouping,
					 struct tcpdwell_transition row)
{
	struct stat_table *table = stat_table_new(4, grouping.by);
	const struct stat_group *groups;
	struct tcpdwell_stat_key key;
	size_t count;

	assert_non_null(table);
	add_rows(table, &grouping, row, 1);
	assert_int_equal(stat_table_groups(table, &groups, &count), 0);
	assert_int_equal(count, 1);
	key = groups[0].key;
	stat_table_free(table);
	return key;
}

static void test_groups(void **state)
{
	struct tcpdwell_transition row = row_of(TCPDWELL_ESTABLISHED, TCPDWELL_CLOSE_WAIT,
						TCPDWELL_DWELL_EXACT, 1000);
	static const uint8_t prefix[16] = { [10] = 0xff, 0xff, 198, 51, 96 };
	struct tcpdwell_stat_key key;

	(void)state;
	key = group_of((struct stat_grouping){ .by = TCPDWELL_BY_LPORT }, row);
	assert_int_equal(key.number, 50000);
	key = group_of((struct stat_grouping){ .by = TCPDWELL_BY_RPORT }, row);
	assert_int_equal(key.number, 443);
	key = group_of((struct stat_grouping){ .by = TCPDWELL_BY_PORT }, row);
	assert_int_equal(key.number, 0); /* it is unknown which port is the service's */
	key = group_of((struct stat_grouping){ .by = TCPDWELL_BY_PORT }, owned(row, 1, "curl"));
	assert_int_equal(key.number, 443);
	key = group_of((struct stat_grouping){ .by = TCPDWELL_BY_CGROUP }, row);
	assert_int_equal(key.cgroup_id, 9);
	key = group_of((struct stat_grouping){ .by = TCPDWELL_BY_NETNS }, row);
	assert_int_equal(key.words[0], 7);
	key = group_of((struct stat_grouping){ .by = TCPDWELL_BY_PREFIX, .prefix4 = 20 }, row);
	assert_memory_equal(key.addr, prefix, sizeof(prefix));
}

/* A handshake that completes is told from one that does not. */
static void test_handshake(void **state)
{
	struct stat_table *table = stat_table_new(4, TCPDWELL_BY_STATE);
	const struct stat_grouping by_state = { .by = TCPDWELL_BY_STATE };
	const struct stat_group *groups;
	size_t count;

	(void)state;
	assert_non_null(table);
	add_rows(table, &by_state,
		 row_of(TCPDWELL_SYN_RECV, TCPDWELL_ESTABLISHED, TCPDWELL_DWELL_EXACT, 1000), 2);
	add_rows(table, &by_state,
		 row_of(TCPDWELL_SYN_RECV, TCPDWELL_CLOSE, TCPDWELL_DWELL_EXACT, 1000), 1);
	assert_int_equal(stat_table_rows(table), 3);
	assert_int_equal(stat_table_groups(table, &groups, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(groups[0].key.state, TCPDWELL_SYN_RECV);
	assert_int_equal(groups[0].count, 3);
	assert_int_equal(groups[1].key.state, TCPDWELL_STAT_HANDSHAKE);
	assert_int_equal(groups[1].count, 2);
	stat_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_report),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_handshake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
