// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The report of `stat` for people, against text written by hand; and that it keeps to its width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "printed.h"
#include "stat_story.h"
#include "view/stat_report.h"

static const struct stat_style narrow = { .columns = 80, .top = 5, .utc = true };
static const struct stat_style wide = { .columns = STAT_WIDE, .top = 5, .utc = true };

/* Renders the report and frees the table. */
static char *render(const struct stat_view *view, const struct stat_style *style)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(stat_report(out, view, style), 0);
	assert_int_equal(fclose(out), 0);
	stat_table_free(view->table);
	return text;
}

static void check(const struct stat_view *view, const struct stat_style *style, const char *want)
{
	char *got = render(view, style);

	assert_string_equal(got, want);
	assert_in_range(printed_columns(got), 1, style->columns);
	free(got);
}

static void test_nothing(void **state)
{
	struct stat_view view = story_view();

	(void)state;
	stat_table_clear(view.table);
	check(&view, &narrow, "23:59:58  0 dwells in 10.0s\n");
}

static void test_narrow(void **state)
{
	struct stat_view view = story_view();

	(void)state;
	view.lost = 12;
	check(&view, &narrow,
	      "23:59:58  650 dwells in 10.0s; 12 more found no room: see --hist-size\n"
	      "STATE           PID COMM                COUNT     P50     P90     P99     MAX\n"
	      "SYN_SENT      10599 curl                  300   126µs   126µs   126µs   126µs\n"
	      "ESTABLISHED   10599 curl                  300  21.8ms  21.8ms  99.6ms   100ms\n"
	      "ESTABLISHED    9908 nginx                  40  21.8ms  21.8ms  22.0ms  22.0ms\n"
	      "TIME_WAIT         - -                       7   61.6s   61.6s   61.6s   61.6s\n"
	      "TIME_WAIT         7 \\x1b[31m                1   500ns   500ns   500ns   500ns\n"
	      "2 of sockets that were there before: at least so long, in no percentile\n");
}

static void test_wide(void **state)
{
	struct stat_view view = story_view();
	char *got = render(&view, &wide);

	(void)state;
	assert_in_range(printed_columns(got), 1, STAT_WIDE);
	assert_non_null(strstr(got, "     MAX  OLDER 1µs       1ms       1s    1m\n"));
	/* The bucket from 2^24 ns has 22 ms, and the one from 2^26 ns has 100 ms. */
	assert_non_null(strstr(got, "  100ms      0               █ ▁\n"));
	assert_non_null(strstr(got, " 22.0ms      2               █\n"));
	/* Less than a microsecond is in the first column. */
	assert_non_null(strstr(got, "  500ns      0 █\n"));
	free(got);
}

static void test_histogram(void **state)
{
	struct stat_style style = narrow;
	struct stat_view view = story_view();
	char *got;

	(void)state;
	style.histogram = true;
	got = render(&view, &style);
	assert_non_null(strstr(got,
			       "   16.8ms ..  33.6ms      290 ********************************\n"
			       "   33.6ms ..  67.1ms        0 \n"
			       "   67.1ms ..   134ms       10 **\n"));
	assert_in_range(printed_columns(got), 1, 80);
	free(got);
}

/* The dwells and counts are the greatest that there can be. */
static void test_greatest(void **state)
{
	const struct stat_style style = { .columns = STAT_WIDE, .top = 5, .histogram = true };
	struct stat_view view = story_view();
	char *got;

	(void)state;
	stat_table_free(view.table);
	view.table = stat_table_new(3, TCPDWELL_BY_PROCESS);
	story_add(view.table, story_process(TCPDWELL_LISTEN, 1, "a"), 0, 1ULL << 63, UINT64_MAX);
	got = render(&view, &style);
	assert_non_null(strstr(got, "  106752d .. 213504d 18446744073709551615 "
				    "********************************\n"));
	assert_non_null(strstr(got, "█\n"));
	free(got);
}

static void test_top_and_others(void **state)
{
	struct stat_style style = narrow;
	struct stat_view view = story_view();
	struct tcpdwell_stat_key key = { .state = TCPDWELL_CLOSE_WAIT };

	(void)state;
	stat_table_free(view.table);
	view.table = stat_table_new(3, TCPDWELL_BY_PORT);
	view.by = TCPDWELL_BY_PORT;
	for (key.number = 0; key.number < 5; key.number++)
		story_add(view.table, key, 0, 1000, 10 - key.number);
	style.top = 2;
	check(&view, &style,
	      "23:59:58  40 dwells in 10.0s\n"
	      "STATE       PORT                        COUNT     P50     P90     P99     MAX\n"
	      "CLOSE_WAIT  -                              10     1µs     1µs     1µs     1µs\n"
	      "CLOSE_WAIT  1                               9     1µs     1µs     1µs     1µs\n"
	      "CLOSE_WAIT  … and 2 more with 21\n");
}

static void test_prefixes(void **state)
{
	struct stat_view view = story_view();
	struct tcpdwell_stat_key key = { .state = TCPDWELL_SYN_SENT,
					 .addr = { [10] = 0xff, 0xff, 192, 0, 2 } };
	static const uint8_t long_one[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22 };

	(void)state;
	stat_table_free(view.table);
	view.table = stat_table_new(10, TCPDWELL_BY_PREFIX);
	view.by = TCPDWELL_BY_PREFIX;
	story_add(view.table, key, 0, 1000, 2);
	memcpy(key.addr, long_one, sizeof(key.addr));
	memset(key.addr + 8, 0x33, 8);
	view.prefix6 = 128;
	story_add(view.table, key, 0, 1000, 1);
	check(&view, &narrow,
	      "23:59:58  3 dwells in 10.0s\n"
	      "STATE       PREFIX                      COUNT     P50     P90     P99     MAX\n"
	      "SYN_SENT    192.0.2.0/24                    2     1µs     1µs     1µs     1µs\n"
	      "SYN_SENT    2001:db8:1111:2222:3333:3333:3333:3333/128\n"
	      "                                            1     1µs     1µs     1µs     1µs\n");
}

/* Without names their column is left out; groups without exact dwells have no percentiles. */
static void test_by_state(void **state)
{
	struct stat_view view = story_view();
	const struct tcpdwell_stat_key key = { .state = TCPDWELL_LISTEN };

	(void)state;
	stat_table_free(view.table);
	view.table = stat_table_new(10, TCPDWELL_BY_STATE);
	view.by = TCPDWELL_BY_STATE;
	story_add_at_least(view.table, key, 5, 1);
	check(&view, &narrow,
	      "23:59:58  1 dwells in 10.0s\n"
	      "STATE           COUNT     P50     P90     P99     MAX\n"
	      "LISTEN              0       -       -       -       -\n"
	      "1 of sockets that were there before: at least so long, in no percentile\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),	       cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_wide),	       cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_top_and_others), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_by_state),       cmocka_unit_test(test_greatest),
	};

	return cmocka_run_group_tests_name("stat_report", tests, NULL, NULL);
}
