// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What has grown, since the first look or since the last one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/gather.h"

#define SECOND 1000000000ULL

/* Looks at one namespace with a listener; returns the facts about it. */
static struct facts look(struct gather *gather, struct sockets *sockets, uint64_t cookies,
			 uint64_t drops)
{
	struct gather_netns netns = { .inode = 7 };
	const struct tcpdwell_socket listener = {
		.key = 5,
		.netns = 7,
		.state = TCPDWELL_LISTEN,
		.lport = 80,
		.drops = drops,
	};
	struct facts facts;

	netns.counters[FACT_SYNCOOKIES_SENT] = cookies;
	gather_look(gather);
	assert_int_equal(gather_netns(gather, &netns), 0);
	sockets_clear(sockets);
	assert_int_equal(sockets_add(sockets, &listener), 0);
	assert_int_equal(gather_facts(gather, sockets, 9 * SECOND, SECOND, SECOND, &facts), 0);
	assert_int_equal(facts.netns_count, 1);
	assert_int_equal(facts.socket_count, 1);
	return facts;
}

static void assert_grew(const struct facts *facts, uint64_t cookies, uint64_t drops)
{
	assert_int_equal(facts->namespaces[0].grew[FACT_SYNCOOKIES_SENT], cookies);
	assert_int_equal(facts->sockets[0].drops_grew, drops);
}

static void test_since_the_first_look(void **state)
{
	struct gather *gather = gather_new();
	struct sockets *sockets = sockets_new();
	struct facts facts;

	(void)state;
	assert_int_equal(gather_drops(gather, 5, 100), 0);
	facts = look(gather, sockets, 10, 100);
	assert_grew(&facts, 0, 0);
	facts = look(gather, sockets, 12, 105);
	assert_grew(&facts, 2, 5);
	facts = look(gather, sockets, 13, 106);
	assert_grew(&facts, 3, 6);
	sockets_free(sockets);
	gather_free(gather);
}

static void test_since_the_last_look(void **state)
{
	const struct tcpdwell_transition end = {
		.from = TCPDWELL_LAST_ACK,
		.to = TCPDWELL_CLOSE,
		.reason = TCPDWELL_REASON_FIN,
	};
	struct gather *gather = gather_new();
	struct sockets *sockets = sockets_new();
	struct facts facts;

	(void)state;
	assert_int_equal(gather_drops(gather, 5, 100), 0);
	look(gather, sockets, 10, 100);
	assert_int_equal(gather_end(gather, &end), 0);
	facts = look(gather, sockets, 12, 105);
	assert_int_equal(facts.end_count, 1);
	assert_int_equal(gather_settle(gather), 0);
	facts = look(gather, sockets, 13, 106);
	assert_grew(&facts, 1, 1);
	assert_int_equal(facts.end_count, 0);
	assert_int_equal(gather_settle(gather), 0);
	assert_int_equal(gather_end(gather, &end), 0);
	facts = look(gather, sockets, 13, 106);
	assert_grew(&facts, 0, 0);
	assert_int_equal(facts.end_count, 1);
	assert_int_equal(facts.ends[0].count, 1);
	sockets_free(sockets);
	gather_free(gather);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_since_the_first_look),
		cmocka_unit_test(test_since_the_last_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
