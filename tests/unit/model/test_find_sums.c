// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found where only sums of ends are known, from the sums of the kernel side on. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/findings.h"
#include "model/gather.h"

#define S 1000000000ULL

static struct gather *gather;

static int begin(void **state)
{
	(void)state;
	gather = gather_new();
	return gather ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	gather_free(gather);
	return 0;
}

/* Adds an element as the kernel side has it. @end: the transitions lead to CLOSE, for @reason. */
static void add(uint32_t group, uint8_t from, bool end, uint8_t reason, uint64_t ns, uint64_t count)
{
	unsigned int bucket = buckets_index(ns);
	const struct tcpdwell_stat_key key = {
		.state = from,
		.chunk = bucket / TCPDWELL_STAT_BUCKETS,
		.number = end ? (reason + 1U) << TCPDWELL_STAT_END_SHIFT : 0,
	};
	struct tcpdwell_stat stat = { 0 };

	stat.counts[bucket % TCPDWELL_STAT_BUCKETS] = count;
	assert_int_equal(gather_sum(gather, group, &key, &stat), 0);
}

static void add_end(uint32_t group, uint8_t from, uint8_t reason, uint64_t count)
{
	add(group, from, true, reason, S, count);
}

/* Returns how many findings a look has; sets @first to a copy of the first one, if there is one. */
static size_t look(bool of_programs, struct finding *first)
{
	struct findings *findings;
	struct facts facts;
	size_t count;

	gather_look(gather);
	gather_begin(gather, S);
	assert_int_equal(gather_take(gather, 10 * S, S, &facts), 0);
	facts.sums_of_programs = of_programs;
	findings = findings_new(&facts);
	assert_non_null(findings);
	count = findings_count(findings);
	if (count)
		*first = *findings_at(findings, 0);
	findings_free(findings);
	return count;
}

static void assert_only(enum finding_id id, enum finding_severity severity, uint64_t count)
{
	struct finding first;

	assert_int_equal(look(true, &first), 1);
	assert_int_equal(first.id, id);
	assert_int_equal(first.severity, severity);
	assert_int_equal(first.count, count);
}

static void assert_nothing(void)
{
	struct finding first;

	assert_int_equal(look(true, &first), 0);
}

static void test_resets(void **state)
{
	(void)state;
	add_end(3, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 5);
	/* A connection ends when it enters TIME_WAIT; the end of that is no other one. */
	add(3, TCPDWELL_FIN_WAIT2, false, 0, S, 90);
	add(3, TCPDWELL_CLOSING, false, 0, S, 5);
	add(3, TCPDWELL_FIN_WAIT1, false, 0, S, 1000);
	add_end(3, TCPDWELL_TIME_WAIT, TCPDWELL_REASON_TIMEWAIT_EXPIRED, 1000);
	add_end(3, TCPDWELL_LISTEN, TCPDWELL_REASON_ABORTED, 1000);
	assert_only(FINDING_RESETS, FINDING_NOTE, 5); /* 5 % */
	add_end(3, TCPDWELL_LAST_ACK, TCPDWELL_REASON_FIN, 1);
	assert_nothing();
	/* Nothing is left of it after the look. */
	assert_int_equal(gather_settle(gather), 0);
	add_end(3, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_RECEIVED, 5);
	assert_only(FINDING_RESETS, FINDING_WARNING, 5);
}

static void test_resets_of_several_groups(void **state)
{
	(void)state;
	add_end(2, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 4);
	add_end(3, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 4);
	add_end(3, TCPDWELL_FIN_WAIT2, TCPDWELL_REASON_RESET_SENT, 4);
	assert_nothing();
	add_end(3, TCPDWELL_FIN_WAIT1, TCPDWELL_REASON_RESET_SENT, 1);
	assert_only(FINDING_RESETS, FINDING_WARNING, 5);
}

/* A load balancer that looks once in 0.7 s whether a port answers is no fault of anybody. */
static void test_checks_of_a_load_balancer(void **state)
{
	(void)state;
	add(3, TCPDWELL_ESTABLISHED, true, TCPDWELL_REASON_RESET_RECEIVED, S / 1000, 15);
	assert_nothing();
	add_end(3, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_RECEIVED, 4);
	assert_nothing();
	add_end(3, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_RECEIVED, 1);
	assert_only(FINDING_RESETS, FINDING_NOTE, 5);
	/* These are too many for checks. */
	add(3, TCPDWELL_ESTABLISHED, true, TCPDWELL_REASON_RESET_RECEIVED, S / 1000, 5);
	assert_only(FINDING_RESETS, FINDING_WARNING, 25);
}

static void test_died(void **state)
{
	(void)state;
	add_end(2, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_KEEPALIVE_TIMEOUT, 2);
	add_end(3, TCPDWELL_ESTABLISHED, TCPDWELL_REASON_KEEPALIVE_TIMEOUT, 1);
	add_end(2, TCPDWELL_SYN_SENT, TCPDWELL_REASON_USER_TIMEOUT, 9);
	assert_nothing();
	add_end(2, TCPDWELL_CLOSE_WAIT, TCPDWELL_REASON_USER_TIMEOUT, 1);
	assert_only(FINDING_KEEPALIVE_DIED, FINDING_NOTE, 3);
}

static void test_unacknowledged(void **state)
{
	(void)state;
	add_end(2, TCPDWELL_LAST_ACK, TCPDWELL_REASON_TIMEOUT, 9);
	add_end(2, TCPDWELL_FIN_WAIT1, TCPDWELL_REASON_TIMEOUT, 9);
	assert_nothing();
	add_end(2, TCPDWELL_CLOSE_WAIT, TCPDWELL_REASON_TIMEOUT, 3);
	assert_only(FINDING_HALF_OPEN, FINDING_WARNING, 3);
}

/* 38 failures may be two each of 19 destinations, which is not found of single ends either. */
static void test_connect_fails_later(void **state)
{
	struct finding first;

	(void)state;
	add_end(2, TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, 38);
	add_end(2, TCPDWELL_SYN_SENT, TCPDWELL_REASON_UNREACHABLE, 38);
	add_end(2, TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 100);
	assert_nothing();
	add_end(2, TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, 1);
	assert_only(FINDING_CONNECT_FAILING, FINDING_WARNING, 39);
	/* A namespace or a port is no program that could have a fault. */
	assert_int_equal(look(false, &first), 0);
	/* Calls that returned the error are found as such. */
	assert_int_equal(gather_sum_calls(gather, 2, ECONNREFUSED, 1), 0);
	assert_nothing();
	assert_int_equal(gather_sum_calls(gather, 7, EACCES, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resets, begin, end),
		cmocka_unit_test_setup_teardown(test_resets_of_several_groups, begin, end),
		cmocka_unit_test_setup_teardown(test_checks_of_a_load_balancer, begin, end),
		cmocka_unit_test_setup_teardown(test_died, begin, end),
		cmocka_unit_test_setup_teardown(test_unacknowledged, begin, end),
		cmocka_unit_test_setup_teardown(test_connect_fails_later, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
