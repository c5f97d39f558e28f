// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found of ends of connections, and of the host. */
#include <errno.h>
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

static void test_resets(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, 5, 2);
	facts_add_end(TCPDWELL_LAST_ACK, TCPDWELL_REASON_FIN, 0, 96, 2);
	assert_nothing_found(); /* 4 % */
	host.ends[1].count = 95;
	f = found_only(FINDING_RESETS);
	assert_int_equal(found_figure(f, "resets_sent"), 5);
	assert_int_equal(found_figure(f, "of_ends"), 5);
	host.ends[0].count = 4;
	host.ends[1].count = 0;
	assert_nothing_found();
}

static void test_kinds_of_resets(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_FIN_WAIT2, TCPDWELL_REASON_RESET_SENT, 0, 5, 2);
	host.netns.grew[FACT_ABORT_ON_DATA] = 5;
	assert_non_null(strstr(found_only(FINDING_RESETS)->why, "Data comes after"));
	host.ends[0].from = TCPDWELL_ESTABLISHED;
	assert_string_equal(found_only(FINDING_RESETS)->why,
			    "The process closes with SO_LINGER of 0.");
	host.netns.grew[FACT_ABORT_ON_CLOSE] = 5;
	assert_non_null(strstr(found_only(FINDING_RESETS)->why, "it has not read"));
}

/* A load balancer resets what it opens, at once and now and then. */
static void test_checks(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, 10, 2);
	host.ends[0].brief = true;
	host.ends[0].first_ns = 1 * S;
	host.ends[0].last_ns = 10 * S;
	assert_nothing_found();
	host.ends[0].last_ns = 3 * S; /* as fast as that no check is made */
	assert_int_equal(found_figure(found_only(FINDING_RESETS), "resets_sent"), 10);
	host.ends[0].last_ns = 10 * S;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, 5, 2);
	assert_int_equal(found_figure(found_only(FINDING_RESETS), "resets_sent"), 5);
}

/* A socket may have its own settings of keep-alive. Those that live are like those that died. */
static void test_died_with_own_settings(void **state)
{
	const struct finding *f;
	struct fact_socket *s;

	(void)state;
	host.netns.settings[FACT_KEEPALIVE_TIME] = 7200;
	host.netns.settings[FACT_KEEPALIVE_INTVL] = 75;
	host.netns.settings[FACT_KEEPALIVE_PROBES] = 9;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_KEEPALIVE_TIMEOUT, ETIMEDOUT, 3, 2);
	f = found_only(FINDING_KEEPALIVE_DIED);
	assert_int_equal(f->setting_count, 3);
	assert_non_null(strstr(f->why, "Where the program sets TCP_KEEPIDLE"));
	s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	s->timers = (struct deadline_socket){ .keepalive = true,
					      .keepalive_time_s = 7200,
					      .keepalive_intvl_s = 75,
					      .keepalive_probes = 9 };
	f = found_first(FINDING_KEEPALIVE_DIED);
	assert_int_equal(f->setting_count, 3);
	assert_null(strstr(f->why, "TCP_KEEPIDLE"));
	s->timers.keepalive_time_s = 50;
	f = found_first(FINDING_KEEPALIVE_DIED);
	assert_int_equal(f->setting_count, 0);
	assert_non_null(strstr(f->why, "TCP_KEEPIDLE 50, TCP_KEEPINTVL 75, TCP_KEEPCNT 9"));
}

static void test_died_of_a_user_timeout(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_USER_TIMEOUT, ETIMEDOUT, 3, 2);
	f = found_only(FINDING_KEEPALIVE_DIED);
	assert_int_equal(f->setting_count, 0); /* the settings of keep-alive did not decide */
	assert_non_null(strstr(f->helps, "TCP_USER_TIMEOUT"));
}

static void test_died(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_KEEPALIVE_TIMEOUT, ETIMEDOUT, 2, 2);
	facts_add_end(TCPDWELL_FIN_WAIT2, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, 20, 2);
	assert_nothing_found();
	host.ends[0].count = 3;
	assert_int_equal(found_figure(found_only(FINDING_KEEPALIVE_DIED), "died"), 3);
	host.facts.end_count = 0; /* data is told apart from keep-alive */
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, 3, 2);
	assert_int_equal(found_figure(found_only(FINDING_HALF_OPEN), "died"), 3);
	assert_int_equal(found_only(FINDING_HALF_OPEN)->settings[0], FACT_RETRIES2);
	host.ends[0].count = 2;
	assert_nothing_found();
}

static void test_host(void **state)
{
	(void)state;
	host.netns.grew[FACT_TIMEWAIT_OVERFLOW] = 1;
	assert_int_equal(found_only(FINDING_TIMEWAIT_OVERFLOW)->count, 1);
	host.netns.grew[FACT_TIMEWAIT_OVERFLOW] = 0;
	host.netns.orphans = 799;
	assert_nothing_found();
	host.netns.orphans = 800;
	assert_int_equal(found_figure(found_only(FINDING_ORPHANS), "used"), 80);
	host.netns.orphans = 500; /* some of them count twice */
	host.netns.grew[FACT_ABORT_ON_MEMORY] = 1;
	assert_int_equal(found_figure(found_only(FINDING_ORPHANS), "aborted"), 1);
	host.netns.grew[FACT_MEMORY_PRESSURES] = 1;
	assert_int_equal(found_figure(found_only(FINDING_MEMORY), "aborted"), 1);
	host.netns.grew[FACT_MEMORY_PRESSURES] = host.netns.grew[FACT_ABORT_ON_MEMORY] = 0;
	host.facts.memory = (struct fact_memory){ 400, 400 };
	assert_int_equal(found_figure(found_only(FINDING_MEMORY), "pages"), 400);
	host.facts.memory.pages = 399;
	host.processes[0] = (struct fact_process){ facts_owner(22, "server"), 79, 50, 100,
						   .state = 'S' };
	host.facts.process_count = 1;
	assert_nothing_found();
	host.processes[0].descriptors = 80;
	assert_int_equal(found_only(FINDING_DESCRIPTORS)->owner.pid, 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_resets, facts_begin),
		cmocka_unit_test_setup(test_kinds_of_resets, facts_begin),
		cmocka_unit_test_setup(test_checks, facts_begin),
		cmocka_unit_test_setup(test_died_with_own_settings, facts_begin),
		cmocka_unit_test_setup(test_died_of_a_user_timeout, facts_begin),
		cmocka_unit_test_setup(test_died, facts_begin),
		cmocka_unit_test_setup(test_host, facts_begin),
	};

	return cmocka_run_group_tests_name("find_ends", tests, NULL, NULL);
}
