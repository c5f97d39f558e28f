// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is not found on healthy hosts, and which finding comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "facts_story.h"
#include "found.h"
#include "model/findings.h"

#define S 1000000000ULL

static void test_busy_and_well(void **state)
{
	struct fact_socket *s;

	(void)state;
	facts_listener(3, 511);
	s = facts_accepted(TCPDWELL_ESTABLISHED, 10000); /* idle clients of a proxy */
	for (int i = 0; i < 10000; i++) {
		s[i].at.raddr[2] = i / 200;
		s[i].silent_ns = i * S;
		s[i].opened_ns = (i + 2) * S;
	}
	s = facts_clients(TCPDWELL_ESTABLISHED, 20);
	for (int i = 0; i < 20; i++) {
		s[i].timers.keepalive = true;
		s[i].silent_ns = 3600 * S;
		s[i].opened_ns = 7200 * S;
	}
	facts_clients(TCPDWELL_TIME_WAIT, 50);
	facts_add_end(TCPDWELL_LAST_ACK, TCPDWELL_REASON_FIN, 0, 100000, 2);
	assert_nothing_found();
}

static void test_worst_first(void **state)
{
	struct findings *findings;

	(void)state;
	facts_accepted(TCPDWELL_CLOSE_WAIT, 1)->age_ns = 61 * S;
	facts_listener(5, 4);
	findings = found_look();
	assert_int_equal(findings_count(findings), 2);
	assert_int_equal(findings_at(findings, 0)->id, FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(findings_at(findings, 1)->id, FINDING_CLOSE_WAIT_LEAK);
	findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_busy_and_well, facts_begin),
		cmocka_unit_test_setup(test_worst_first, facts_begin),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
