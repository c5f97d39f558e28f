// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Totals over time: what two looks at namespaces tell about the time between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/totals.h"

#define S 1000000000ULL

static struct totals_reading reading(uint32_t inode, uint64_t opened, uint32_t established)
{
	return (struct totals_reading){
		.inode = inode,
		.counters = { [TOTALS_ACTIVE_OPENS] = opened, [TOTALS_RETRANS_SEGS] = opened / 2 },
		.states = { [TCPDWELL_ESTABLISHED] = established, [TCPDWELL_LISTEN] = 3 },
	};
}

static bool look(struct totals *totals, uint64_t time_ns, const struct totals_reading *readings,
		 unsigned int count, struct totals_line *line)
{
	totals_begin(totals, time_ns);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(totals_add(totals, &readings[i]), 0);
	totals_host(totals, 5, 4096);
	return totals_end(totals, line);
}

static void test_a_line(void **state)
{
	struct totals_reading before[] = { reading(9, 100, 10), reading(2, 50, 5) };
	struct totals_reading after[] = { reading(2, 60, 6), reading(9, 130, 8) };
	struct totals *totals = totals_new();
	struct totals_line line;

	(void)state;
	after[0].counters[TOTALS_PASSIVE_OPENS] = 4;
	after[1].counters[TOTALS_ESTAB_RESETS] = 7;
	assert_false(look(totals, 10 * S, before, 2, &line));
	assert_true(look(totals, 12 * S, after, 2, &line));
	assert_int_equal(line.interval_ns, 2 * S);
	assert_int_equal(line.states[TCPDWELL_ESTABLISHED], 14);
	assert_int_equal(line.states[TCPDWELL_LISTEN], 6);
	assert_int_equal(line.opened, 10 + 4 + 30);
	assert_int_equal(line.closed, 14 - 1 + 30 + 2);
	assert_int_equal(line.reset, 7);
	assert_int_equal(line.retransmitted, 5 + 15);
	assert_int_equal(line.orphans, 5);
	assert_int_equal(line.memory_bytes, 4096);
	totals_free(totals);
}

/* A new namespace counts from 0; what a namespace did before it went is unknown. */
static void test_namespaces_come_and_go(void **state)
{
	struct totals_reading first = reading(1, 100, 10), second[] = { reading(2, 8, 3) };
	struct totals *totals = totals_new();
	struct totals_line line;

	(void)state;
	look(totals, 1 * S, &first, 1, &line);
	assert_true(look(totals, 2 * S, second, 1, &line));
	assert_int_equal(line.opened, 8);
	assert_int_equal(line.closed, 5);
	assert_true(look(totals, 3 * S, NULL, 0, &line));
	assert_int_equal(line.opened, 0);
	assert_int_equal(line.closed, 0);
	totals_free(totals);
}

/* A connection that was open before it was counted does not count as closed. */
static void test_sockets_ahead_of_counters(void **state)
{
	struct totals_reading one = reading(1, 100, 10), ahead = reading(1, 100, 11),
			      counted = reading(1, 101, 11), gone = reading(1, 101, 10);
	struct totals *totals = totals_new();
	struct totals_line line;

	(void)state;
	look(totals, 1 * S, &one, 1, &line);
	look(totals, 2 * S, &ahead, 1, &line);
	assert_int_equal(line.closed, 0);
	look(totals, 3 * S, &counted, 1, &line);
	assert_int_equal(line.closed, 0);
	look(totals, 4 * S, &gone, 1, &line);
	assert_int_equal(line.closed, 1);
	totals_free(totals);
}

/* Requests are no sockets, and TIME_WAIT is over: neither counts as an open connection. */
static void test_what_is_open(void **state)
{
	struct totals_reading before = reading(1, 0, 0), after = reading(1, 3, 1);
	struct totals *totals = totals_new();
	struct totals_line line;

	(void)state;
	after.states[TCPDWELL_SYN_RECV] = 5;
	after.requests = 5;
	after.states[TCPDWELL_TIME_WAIT] = 2;
	look(totals, 1 * S, &before, 1, &line);
	look(totals, 2 * S, &after, 1, &line);
	assert_int_equal(line.opened, 3);
	assert_int_equal(line.closed, 2);
	totals_free(totals);
}

static void test_what_is_not_known(void **state)
{
	struct totals_reading before = reading(1, 0, 0), after = reading(1, 3, 1);
	struct totals *totals = totals_new();
	struct totals_line line;

	(void)state;
	after.counters[TOTALS_ACTIVE_OPENS] = TOTALS_UNKNOWN;
	look(totals, 1 * S, &before, 1, &line);
	look(totals, 2 * S, &after, 1, &line);
	assert_int_equal(line.opened, TOTALS_UNKNOWN);
	assert_int_equal(line.closed, TOTALS_UNKNOWN);
	assert_int_equal(line.retransmitted, 1);
	totals_free(totals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line),
		cmocka_unit_test(test_namespaces_come_and_go),
		cmocka_unit_test(test_sockets_ahead_of_counters),
		cmocka_unit_test(test_what_is_open),
		cmocka_unit_test(test_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
