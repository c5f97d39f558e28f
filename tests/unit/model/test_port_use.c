// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which destinations use up the local ports, and when none is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/port_use.h"

#define SECOND 1000000000ULL

static struct fact_socket sockets[4096];
static size_t count;

/* @many connections of a client from port @lport on to 10.0.0.@last. */
static void connections(unsigned int many, uint16_t lport, uint8_t last)
{
	for (unsigned int i = 0; i < many; i++)
		sockets[count++] = (struct fact_socket){
			.at = { .netns = 1,
				.family = 4,
				.lport = lport + i,
				.rport = 5432,
				.laddr = { 10, 0, 0, 1 },
				.raddr = { 10, 0, 0, last } },
			.client = true,
			.state = TCPDWELL_TIME_WAIT,
		};
}

static struct facts facts_of(struct fact_netns *netns)
{
	*netns = (struct fact_netns){ .inode = 1 };
	netns->settings[FACT_PORTS_LOW] = 30000;
	netns->settings[FACT_PORTS_HIGH] = 30999;
	netns->settings[FACT_PORTS_RESERVED] = 200;
	return (struct facts){
		.sockets = sockets,
		.socket_count = count,
		.namespaces = netns,
		.netns_count = 1,
	};
}

static void test_the_worst_come_first(void **state)
{
	struct port_uses uses = {};
	struct fact_netns netns;
	struct facts facts;

	(void)state;
	count = 0;
	connections(100, 30000, 2);
	connections(400, 30000, 3);
	connections(2, 30000, 4);  /* below a hundredth */
	connections(50, 20000, 2); /* their ports were chosen */
	sockets[0].client = false; /* a server's */
	facts = facts_of(&netns);
	assert_int_equal(port_uses_take(&uses, &facts, SECOND), 0);
	assert_int_equal(uses.count, 2);
	assert_int_equal(uses.uses[0].used, 400);
	assert_int_equal(uses.uses[0].usable, 800);
	assert_int_equal(uses.uses[0].at.raddr[3], 3);
	assert_true(uses.uses[0].left_s < 0);
	assert_int_equal(uses.uses[1].used, 99);
}

static void test_time_that_is_left(void **state)
{
	struct port_uses uses = {};
	struct fact_netns netns;
	struct facts facts;

	(void)state;
	count = 0;
	connections(200, 30000, 2);
	connections(300, 30000, 3);
	facts = facts_of(&netns);
	assert_int_equal(port_uses_take(&uses, &facts, SECOND), 0);
	connections(200, 30300, 2);
	facts = facts_of(&netns);
	assert_int_equal(port_uses_take(&uses, &facts, 10 * SECOND), 0);
	assert_int_equal(uses.count, 2);
	/* 20 a second, of the 400 that are left; the other one stands still. */
	assert_int_equal(uses.uses[0].used, 400);
	assert_true(uses.uses[0].left_s == 20);
	assert_true(uses.uses[1].left_s < 0);
}

static void test_more_than_are_told_of(void **state)
{
	struct port_uses uses = {};
	struct fact_netns netns;
	struct facts facts;

	(void)state;
	count = 0;
	for (unsigned int i = 0; i < 30; i++)
		connections(10 + i, 30000, i);
	facts = facts_of(&netns);
	assert_int_equal(port_uses_take(&uses, &facts, SECOND), 0);
	assert_int_equal(uses.count, PORT_USE_TOP);
	for (unsigned int i = 0; i < PORT_USE_TOP; i++)
		assert_int_equal(uses.uses[i].used, 39 - i);
	/* Where the range is not known, nothing is. */
	netns.settings[FACT_PORTS_LOW] = FACT_UNKNOWN;
	assert_int_equal(port_uses_take(&uses, &facts, SECOND), 0);
	assert_int_equal(uses.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_worst_come_first),
		cmocka_unit_test(test_time_that_is_left),
		cmocka_unit_test(test_more_than_are_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
