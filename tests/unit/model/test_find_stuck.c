// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found of connections that do not move on. */
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

static void test_dead_peer(void **state)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_ESTABLISHED, 1);
	const struct finding *f;

	(void)state;
	s->unacked_bytes = 100;
	s->silent_ns = 11 * S;
	s->timers = (struct deadline_socket){
		.state = TCPDWELL_ESTABLISHED,
		.timer = DEADLINE_TIMER_RETRANSMIT,
		.retransmits = 4,
		.rto_ns = 3264000000,
		.expires_ns = 2 * S,
		.retransmit_ns = 8 * S,
		.unacknowledged = true,
	};
	f = found_only(FINDING_HALF_OPEN);
	assert_int_equal(found_figure(f, "unacknowledged"), 100);
	assert_int_equal(f->end.by, DEADLINE_BY_RETRIES2);
	s->silent_ns = 9 * S;
	assert_nothing_found();
	s->silent_ns = FACT_UNKNOWN;
	assert_nothing_found();
}

/* Three clients that vanished while they were idle, and have connected again. */
static void test_suspects(void **state)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_ESTABLISHED, 6);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 6; i++) {
		s[i].at.raddr[3] = 2 + i % 3;
		s[i].silent_ns = i < 3 ? 60 * S : S;
		s[i].opened_ns = i < 3 ? 100 * S : 2 * S;
	}
	assert_nothing_found(); /* all may have been open for long, three of them in use */
	for (int i = 3; i < 6; i++)
		s[i].opened_most_ns = 30 * S;
	f = found_only(FINDING_HALF_OPEN);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	/* The other end of one is on this host, and open. */
	s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	s->at = (struct fact_address){ .netns = 8, .lport = 50000, .rport = 80 };
	memcpy(s->at.laddr, host.sockets[0].at.raddr, sizeof(s->at.laddr));
	memcpy(s->at.raddr, host.sockets[0].at.laddr, sizeof(s->at.raddr));
	assert_nothing_found();
	host.facts.socket_count--;
	host.sockets[0].timers.keepalive = true;
	assert_nothing_found();
	host.sockets[0].timers.keepalive = false;
	assert_int_equal(found_only(FINDING_HALF_OPEN)->count, 3);
	s = facts_accepted(TCPDWELL_ESTABLISHED, 1); /* of a peer that has one in use since long */
	s->at.raddr[3] = 2;
	s->silent_ns = S;
	assert_nothing_found();
}

static void test_pools_are_no_suspects(void **state)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_ESTABLISHED, 200);

	(void)state;
	for (int i = 0; i < 200; i++) {
		s[i].at.raddr[3] = 2;
		s[i].silent_ns = i * S;
		s[i].opened_ns = (i + 1) * S;
		s[i].opened_most_ns = (i + 1) * S;
	}
	assert_nothing_found();
	for (int i = 0; i < 200; i++)
		s[i].at.raddr[3] = i; /* each has one idle connection */
	assert_nothing_found();
}

/* Returns the sockets of a client's pool: its cable was pulled, and it came back with as many. */
static struct fact_socket *pool_that_came_back(void)
{
	struct fact_socket *s;

	facts_begin(NULL);
	s = facts_accepted(TCPDWELL_ESTABLISHED, 16);
	for (int i = 0; i < 16; i++) {
		s[i].at.raddr[3] = 2;
		s[i].silent_ns = i < 8 ? 60 * S + i : 2 * S;
		s[i].opened_ns = i < 8 ? 100 * S : 3 * S;
		s[i].opened_most_ns = i < 8 ? FACT_UNKNOWN : 30 * S + i;
	}
	return s;
}

static void test_pool_that_came_back(void **state)
{
	struct fact_socket *s = pool_that_came_back();
	const struct finding *f = found_only(FINDING_HALF_OPEN);

	(void)state;
	assert_int_equal(f->severity, FINDING_NOTE);
	assert_int_equal(found_figure(f, "suspects"), 8);
	assert_int_equal(found_figure(f, "peers"), 1);
	s[7].silent_ns = 25 * S; /* one of the old ones is in use */
	assert_nothing_found();
	s = pool_that_came_back();
	s[3].timers.keepalive = true; /* keep-alive would have noticed */
	assert_nothing_found();
	s = pool_that_came_back();
	for (int i = 8; i < 16; i++) /* they may have been open, and in use, all the time */
		s[i].opened_most_ns = FACT_UNKNOWN;
	assert_nothing_found();
	s = pool_that_came_back();
	for (int i = 8; i < 16; i++) /* the pool grows slowly */
		s[i].opened_most_ns = (i - 7) * 7 * S;
	assert_nothing_found();
	s = pool_that_came_back();
	for (int i = 8; i < 16; i++) /* two programs have a pool each, both idle */
		s[i].silent_ns = 30 * S;
	assert_nothing_found();
}

static void test_leak(void **state)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_CLOSE_WAIT, 2);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 2; i++)
		s[i].timers.state = TCPDWELL_CLOSE_WAIT;
	s[0].age_ns = 61 * S;
	f = found_only(FINDING_CLOSE_WAIT_LEAK);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	assert_string_equal(f->more, "tcpdwell leaks -p 22 --netns blue");
	s[0].silent_ns = S; /* it sends, and the peer acknowledges */
	assert_nothing_found();
	s[0].timers.keepalive = true; /* or the peer answers probes */
	found_only(FINDING_CLOSE_WAIT_LEAK);
	s[0].idle_ns = S; /* no, data went */
	assert_nothing_found();
	s[0].timers.keepalive = false;
	s[0].idle_ns = 60 * S; /* the peer sends probes */
	found_only(FINDING_CLOSE_WAIT_LEAK);
	s[0].idle_ns = FACT_UNKNOWN;
	s[0].silent_ns = 60 * S;
	found_only(FINDING_CLOSE_WAIT_LEAK);
}

static void assert_stuck(uint8_t state, enum finding_id id)
{
	struct fact_socket *s;
	const struct finding *f;

	facts_begin(NULL);
	s = facts_accepted(state, 5);
	for (int i = 0; i < 5; i++) {
		s[i].owner = (struct fact_owner){ 0 };
		s[i].timers = (struct deadline_socket){
			.state = state,
			.orphan = true,
			.timer = DEADLINE_TIMER_RETRANSMIT,
			.retransmits = 3,
			.rto_ns = 1632000000,
			.expires_ns = S,
			.retransmit_ns = DEADLINE_NEVER_SEEN,
		};
	}
	f = found_only(id);
	assert_int_equal(f->at.lport, 80);
	assert_int_equal(f->at.raddr[0], 0); /* there are several peers, so none is named */
	assert_int_equal(f->end.by, DEADLINE_BY_ORPHAN_RETRIES);
	assert_int_equal(f->settings[0], FACT_ORPHAN_RETRIES);
	s[4].timers.retransmits = 2;
	assert_nothing_found();
	for (int i = 0; i < 5; i++) { /* the FIN was never sent */
		s[i].timers.retransmits = 0;
		s[i].timers.timer = DEADLINE_TIMER_PROBE;
		s[i].timers.probes_out = 2;
	}
	f = found_only(id);
	assert_int_equal(found_figure(f, "probes"), 2);
	assert_non_null(strstr(f->why, "The FIN has not been sent"));
	for (int i = 0; i < 5; i++) {
		s[i].timers.orphan = false;
		s[i].timers.timer = DEADLINE_TIMER_RETRANSMIT;
		s[i].timers.retransmits = 3;
	}
	f = found_only(id);
	assert_int_equal(f->settings[0], FACT_RETRIES2);
	assert_non_null(strstr(f->useless, "net.ipv4.tcp_orphan_retries"));
}

static void test_stuck(void **state)
{
	(void)state;
	assert_stuck(TCPDWELL_FIN_WAIT1, FINDING_STUCK_FIN_WAIT1);
	assert_stuck(TCPDWELL_CLOSING, FINDING_STUCK_CLOSING);
	assert_stuck(TCPDWELL_LAST_ACK, FINDING_STUCK_LAST_ACK);
}

/* TCP_USER_TIMEOUT decides alone, so no setting of the namespace is shown. */
static void test_stuck_with_a_user_timeout(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_FIN_WAIT1, 5);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 5; i++)
		s[i].timers = (struct deadline_socket){ .state = TCPDWELL_FIN_WAIT1,
							.timer = DEADLINE_TIMER_RETRANSMIT,
							.retransmits = 3,
							.rto_ns = 2 * S,
							.expires_ns = S,
							.user_timeout_ms = 60000 };
	f = found_only(FINDING_STUCK_FIN_WAIT1);
	assert_int_equal(f->end.by, DEADLINE_BY_USER_TIMEOUT);
	assert_int_equal(f->setting_count, 0);
	assert_non_null(strstr(f->useless, "net.ipv4.tcp_retries2"));
}

/* A peer that answers probes and reads nothing. */
static void test_no_room_for_fin(void **state)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_FIN_WAIT1, 5);

	(void)state;
	for (int i = 0; i < 5; i++)
		s[i].timers = (struct deadline_socket){ .state = TCPDWELL_FIN_WAIT1,
							.timer = DEADLINE_TIMER_PROBE,
							.orphan = true,
							.backoff = 5 };
	assert_nothing_found();
	for (int i = 0; i < 5; i++)
		s[i].timers.backoff = 6;
	assert_non_null(strstr(found_only(FINDING_STUCK_FIN_WAIT1)->why, "the peer reads nothing"));
}

static void test_fin_wait2(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_FIN_WAIT2, 5);

	(void)state;
	assert_nothing_found();
	for (int i = 0; i < 5; i++) {
		s[i].age_ns = 61 * S;
		s[i].timers.state = TCPDWELL_FIN_WAIT2;
	}
	assert_int_equal(found_only(FINDING_STUCK_FIN_WAIT2)->end.kind, DEADLINE_NEVER);
	s[0].silent_ns = S; /* the peer goes on sending to it */
	assert_nothing_found();
	host.facts.socket_count = 0;
	s = facts_accepted(TCPDWELL_FIN_WAIT2, 100);
	for (int i = 0; i < 100; i++) {
		s[i].owner = (struct fact_owner){ 0 };
		s[i].timers.orphan = true;
		s[i].timers.timer = DEADLINE_TIMER_TIMEWAIT;
		s[i].timers.state = TCPDWELL_FIN_WAIT2;
		s[i].timers.expires_ns = i * S;
	}
	assert_int_equal(found_only(FINDING_STUCK_FIN_WAIT2)->end.ns, 99 * S);
	host.facts.socket_count--;
	assert_nothing_found();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_dead_peer, facts_begin),
		cmocka_unit_test_setup(test_suspects, facts_begin),
		cmocka_unit_test_setup(test_pools_are_no_suspects, facts_begin),
		cmocka_unit_test_setup(test_pool_that_came_back, facts_begin),
		cmocka_unit_test_setup(test_leak, facts_begin),
		cmocka_unit_test_setup(test_stuck, facts_begin),
		cmocka_unit_test_setup(test_stuck_with_a_user_timeout, facts_begin),
		cmocka_unit_test_setup(test_no_room_for_fin, facts_begin),
		cmocka_unit_test_setup(test_fin_wait2, facts_begin),
	};

	return cmocka_run_group_tests_name("find_stuck", tests, NULL, NULL);
}
