// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The names and values of `stat -o json`, which others rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stat_story.h"
#include "view/sink.h"
#include "view/stat_json.h"

static void test_nothing(void **state)
{
	struct stat_view view = story_view();
	char *got;

	(void)state;
	stat_table_clear(view.table);
	view.lost = 3;
	got = story_json(&view);
	assert_string_equal(got, "{\"type\":\"stat\",\"time\":\"2024-02-29T23:59:58.000000000Z\","
				 "\"duration_ns\":10000000000,\"by\":\"process\",\"counted\":0,"
				 "\"lost\":3,\"groups\":[]}\n");
	free(got);
}

static void test_processes(void **state)
{
	struct stat_view view = story_view();
	char *got = story_json(&view);

	(void)state;
	assert_non_null(strstr(
		got, "\"counted\":650,\"lost\":0,\"groups\":[{\"state\":\"SYN_SENT\",\"pid\":10599,"
		     "\"comm\":\"curl\",\"others\":false,\"count\":300,\"p50_ns\":125952,"
		     "\"p90_ns\":125952,\"p99_ns\":125952,\"max_ns\":126000,\"at_least\":0,"
		     "\"at_least_max_ns\":null,\"buckets\":[{\"from_ns\":124928,"
		     "\"to_ns\":126976,\"count\":300}]},{\"state\":\"ESTABLISHED\""));
	assert_non_null(strstr(got, "\"at_least\":2,\"at_least_max_ns\":3600000000000,"));
	assert_non_null(strstr(got, "\"pid\":null,\"comm\":null,"));
	assert_non_null(strstr(got, "\"comm\":\"\\u001b[31m\""));
	assert_string_equal(strchr(got, '\n'), "\n");
	free(got);
}

static void test_no_exact_dwell(void **state)
{
	struct stat_view view = story_view();
	const struct tcpdwell_stat_key key = { .state = TCPDWELL_LISTEN };
	char *got;

	(void)state;
	stat_table_free(view.table);
	view.table = stat_table_new(10, TCPDWELL_BY_STATE);
	view.by = TCPDWELL_BY_STATE;
	story_add_at_least(view.table, key, 5, 1);
	got = story_json(&view);
	assert_non_null(strstr(got,
			       "{\"state\":\"LISTEN\",\"others\":false,\"count\":0,\"p50_ns\":null,"
			       "\"p90_ns\":null,\"p99_ns\":null,\"max_ns\":null,\"at_least\":1,"
			       "\"at_least_max_ns\":5,\"buckets\":[]}]}\n"));
	free(got);
}

/* JSON says what a group is by, and what the group of all others has of it. */
static void test_kinds_of_groups(void **state)
{
	static const struct {
		enum tcpdwell_stat_by by;
		struct tcpdwell_stat_key key;
		const char *want, *others;
	} kinds[] = {
		{ TCPDWELL_BY_COMM, { .comm = "nginx" }, "\"comm\":\"nginx\"", "\"comm\":null" },
		{ TCPDWELL_BY_PORT, { .number = 443 }, "\"port\":443", "\"port\":null" },
		{ TCPDWELL_BY_LPORT, { .number = 1 }, "\"lport\":1", "\"lport\":null" },
		{ TCPDWELL_BY_RPORT, { .number = 65535 }, "\"rport\":65535", "\"rport\":null" },
		{ TCPDWELL_BY_CGROUP, { .cgroup_id = 7 }, "\"cgroup\":null", "\"cgroup\":null" },
		{ TCPDWELL_BY_PREFIX,
		  { .addr = { [10] = 0xff, 0xff, 192, 0, 2 } },
		  "\"family\":\"ipv4\",\"raddr\":\"192.0.2.0\",\"prefix\":24",
		  "\"family\":null,\"raddr\":null,\"prefix\":null" },
		{ TCPDWELL_BY_PREFIX,
		  { .addr = { 0x20, 0x01, 0x0d, 0xb8 } },
		  "\"family\":\"ipv6\",\"raddr\":\"2001:db8::\",\"prefix\":64",
		  "\"family\":null,\"raddr\":null,\"prefix\":null" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct stat_view view = story_view();
		struct tcpdwell_stat_key key = kinds[i].key;
		char want[256], *got;

		stat_table_free(view.table);
		view.table = stat_table_new(1, kinds[i].by);
		view.by = kinds[i].by;
		key.state = TCPDWELL_FIN_WAIT1;
		story_add(view.table, key, 0, 1000, 1);
		key.words[0]++;
		key.number++;
		story_add(view.table, key, 0, 1000, 1);
		got = story_json(&view);
		snprintf(want, sizeof(want), "{\"state\":\"FIN_WAIT1\",%s,\"others\":false,",
			 kinds[i].want);
		assert_non_null(strstr(got, want));
		snprintf(want, sizeof(want), "{\"state\":\"FIN_WAIT1\",%s,\"others\":true,",
			 kinds[i].others);
		assert_non_null(strstr(got, want));
		free(got);
	}
}

/* Returns the account of the test as it is written; to be freed. */
static char *account_json(bool ring)
{
	const struct summary account = {
		.seen = 20,
		.printed = 4,
		.undated = 5,
		.filtered = 3,
		.lost_ring = 5,
		.lost_map = 3,
		.untracked = 2,
		.missed = 1,
		.unwritten = 6,
	};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	stat_json_account(out, &account, ring);
	fclose(out);
	return text;
}

static void test_account(void **state)
{
	char *of_sums = account_json(false), *of_rows = account_json(true);

	(void)state;
	assert_string_equal(of_sums,
			    "{\"type\":\"summary\",\"seen\":20,\"counted\":4,\"undated\":5,"
			    "\"filtered\":3,\"lost\":{\"map\":3},\"untracked\":2,"
			    "\"missed\":1,\"unwritten\":6}\n");
	assert_string_equal(of_rows,
			    "{\"type\":\"summary\",\"seen\":20,\"counted\":4,\"undated\":5,"
			    "\"filtered\":3,\"lost\":{\"map\":3,\"ring\":5},\"untracked\":2,"
			    "\"missed\":1,\"unwritten\":6}\n");
	free(of_sums);
	free(of_rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	       cmocka_unit_test(test_processes),
		cmocka_unit_test(test_no_exact_dwell), cmocka_unit_test(test_kinds_of_groups),
		cmocka_unit_test(test_account),
	};

	return cmocka_run_group_tests_name("stat_json", tests, NULL, NULL);
}
