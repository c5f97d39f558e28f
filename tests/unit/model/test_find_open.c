// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found of those who connect. */
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

static void test_syn_unanswered(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_SYN_SENT, 4);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 4; i++) {
		s[i].timers = (struct deadline_socket){
			.state = TCPDWELL_SYN_SENT,
			.timer = DEADLINE_TIMER_RETRANSMIT,
			.retransmits = i < 2 ? 3 : 1,
			.rto_ns = 4 * S,
			.expires_ns = 2 * S,
		};
	}
	assert_nothing_found();
	s[2].timers.retransmits = 2;
	f = found_only(FINDING_SYN_UNANSWERED);
	assert_int_equal(f->owner.pid, 11);
	assert_int_equal(f->at.rport, 5432);
	assert_int_equal(f->at.raddr[3], 2);
	assert_int_equal(found_figure(f, "in_syn_sent"), 3);
	assert_int_equal(found_figure(f, "syns_sent_again"), 3);
	assert_int_equal(f->end.by, DEADLINE_BY_SYN_RETRIES);
}

/* A full queue on this host is to blame only for what is sent to this host. */
static void test_held_up_here(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_SYN_SENT, 3), *l = facts_listener(5, 4);
	const struct finding *f;

	(void)state;
	l->at.lport = 5432;
	for (int i = 0; i < 3; i++)
		s[i].timers.retransmits = 3;
	f = found_first(FINDING_SYN_UNANSWERED);
	assert_int_equal(f->severity, FINDING_CRITICAL);
	assert_non_null(strstr(f->why, "the host is down"));
	assert_null(f->helps);
	for (int i = 0; i < 3; i++)
		s[i].at.raddr[3] = 1; /* this host's own address */
	f = found_first(FINDING_SYN_UNANSWERED);
	assert_int_equal(f->severity, FINDING_WARNING); /* the listener's finding comes first */
	assert_non_null(strstr(f->why, "server (pid 22) listens at that port"));
}

/*
 * A full queue in another namespace of this host is to blame if a connection shows that the
 * destination is there.
 */
static void test_held_up_across(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_SYN_SENT, 3), *l = facts_listener(5, 4), *q;
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 3; i++)
		s[i].timers.retransmits = 3;
	q = facts_accepted(TCPDWELL_ESTABLISHED, 1);
	l->at = (struct fact_address){ .netns = 8, .family = 4, .lport = 5432 };
	*q = (struct fact_socket){ .at = facts_ends(1, 5432, 40009),
				   .owner = l->owner,
				   .state = TCPDWELL_ESTABLISHED,
				   .queued = true };
	q->at.laddr[3] = 2;
	assert_non_null(strstr(found_first(FINDING_SYN_UNANSWERED)->why, "the host is down"));
	q->at.netns = 8;
	f = found_first(FINDING_SYN_UNANSWERED);
	assert_int_equal(f->severity, FINDING_WARNING);
	assert_non_null(strstr(f->why, "server (pid 22) in another namespace"));
	q->at.raddr[3] = 9; /* of another client, which tells nothing of this one */
	assert_int_equal(found_first(FINDING_SYN_UNANSWERED)->severity, FINDING_CRITICAL);
}

/* Where the kernel sends few SYNs, the calls fail before a look finds a socket that waits. */
static void test_timed_out(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, 3, 2);
	f = found_first(FINDING_SYN_UNANSWERED);
	assert_int_equal(found_figure(f, "timed_out"), 3);
	assert_int_equal(f->count, 3);
	assert_int_equal(found_first(FINDING_CONNECT_FAILING)->err, ETIMEDOUT);
	host.ends[0].count = 2;
	assert_nothing_found();
}

/* A program with a timeout of its own leaves no socket to look at. */
static void test_given_up(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, 9, 2);
	assert_nothing_found(); /* it closed before the SYN was sent again */
	host.ends[0].given_up = true;
	host.ends[0].waited_ns = 3 * S;
	f = found_only(FINDING_SYN_UNANSWERED);
	assert_int_equal(found_figure(f, "longest_wait"), 3 * S);
	assert_int_equal(found_figure(f, "given_up"), 9);
	assert_int_equal(f->at.rport, 5432);
	host.ends[0].count = 2;
	assert_nothing_found();
}

/* Who waits for less than a second may have no need of an answer any more. */
static void test_given_up_in_haste(void **state)
{
	struct findings *findings;
	const struct finding *f;
	struct fact_socket *s;

	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, 9, 2);
	host.ends[0].hasty = true;
	host.ends[0].waited_ns = S / 2;
	f = found_only(FINDING_SYN_UNANSWERED);
	assert_int_equal(found_figure(f, "given_up"), 9);
	assert_int_equal(found_figure(f, "longest_wait"), S / 2);
	assert_non_null(strstr(f->why, "less than a second"));
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_FIN, 0, 1, 2);
	assert_nothing_found(); /* that server answers, or another one at that port */
	host.facts.end_count = 1;
	s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	s->owner = facts_owner(12, "other");
	/* A digest has no ends, so this is not held against one. */
	findings = findings_new(&host.facts);
	assert_non_null(findings);
	assert_int_equal(findings_count(findings), 0);
	findings_free(findings);
	s->at.raddr[3] = 3;
	assert_int_equal(found_only(FINDING_SYN_UNANSWERED)->count, 9);
}

/* A client that asks two servers at once takes the faster one, and now and then neither. */
static void test_given_up_by_who_hurries(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, 10, 2);
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, 1, 2);
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_FIN, 0, 10, 2);
	host.ends[0].hasty = true;
	host.ends[1].given_up = true;
	assert_nothing_found(); /* the server answers, so only one of them counts */
	host.facts.end_count = 2;
	assert_int_equal(found_figure(found_only(FINDING_SYN_UNANSWERED), "given_up"), 11);
}

static void test_many_ports_of_one_address(void **state)
{
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 40; i++) {
		facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 1, 2);
		host.ends[i].at.rport = 100 + i;
	}
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(found_figure(f, "failed"), 40);
	assert_int_equal(found_figure(f, "remote_ports"), 40);
	assert_int_equal(f->at.raddr[3], 2);
	assert_int_equal(f->at.rport, 0);
	host.facts.end_count = 19;
	assert_nothing_found();
}

static void test_scan(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_SYN_SENT, 25);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 25; i++) {
		s[i].at.raddr[3] = i;
		s[i].timers.retransmits = 2;
	}
	f = found_only(FINDING_SCAN);
	assert_int_equal(f->count, 25);
	host.facts.socket_count = 0;
	for (int i = 0; i < 25; i++)
		facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 4, i);
	f = found_only(FINDING_SCAN);
	assert_int_equal(found_figure(f, "addresses"), 25);
	host.facts.end_count = 10; /* 10 services that are down, each by itself */
	for (int i = 0; i < 10; i++)
		host.ends[i].count = 2;
	assert_nothing_found();
}

static void test_connect_failing(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_failure(FACT_CONNECT, EINPROGRESS, 1000, 0, 5432);
	facts_add_failure(FACT_CONNECT, ENETUNREACH, 2, 0, 5432);
	assert_nothing_found();
	host.failures[1].count = 3;
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(f->err, ENETUNREACH);
	assert_int_equal(f->count, 3);
	/* The same failures are reported as calls and as transitions. */
	host.failures[1].err = ECONNREFUSED;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 9, 2);
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(found_figure(f, "failed"), 9);
	host.facts.failure_count = 0;
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(found_figure(f, "failed"), 9);
}

/* Says more than the errno does, where more is known. */
static void test_why_it_fails(void **state)
{
	const struct finding *f;
	struct fact_socket *s;

	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 9, 2);
	assert_non_null(strstr(found_only(FINDING_CONNECT_FAILING)->why, "nobody listens there"));
	s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	assert_non_null(strstr(found_only(FINDING_CONNECT_FAILING)->why, "somebody listens"));
	s->at.raddr[3] = 3;
	assert_non_null(strstr(found_only(FINDING_CONNECT_FAILING)->why, "nobody listens there"));
	host.facts.end_count = 0;
	facts_add_failure(FACT_CONNECT, EINVAL, 3, 0, 5432);
	assert_non_null(strstr(found_only(FINDING_CONNECT_FAILING)->why, "blackhole"));
	host.failures[0].at.family = 6;
	host.failures[0].at.raddr[0] = 0xfe;
	host.failures[0].at.raddr[1] = 0x80;
	f = found_only(FINDING_CONNECT_FAILING);
	assert_non_null(strstr(f->why, "fe80::/10"));
	assert_non_null(strstr(f->helps, "fe80::1%eth0"));
}

/* Programs try ::1 for localhost, and any address of IPv6, before they take one of IPv4. */
static void test_falls_back(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 9, 2);
	host.ends[0].at.family = 6;
	memset(host.ends[0].at.raddr, 0, sizeof(host.ends[0].at.raddr));
	host.ends[0].at.raddr[15] = 1;
	assert_int_equal(found_only(FINDING_CONNECT_FAILING)->count, 9);
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_FIN, 0, 9, 2);
	assert_nothing_found();
	host.ends[1].count = 5; /* it does not always succeed */
	assert_int_equal(found_only(FINDING_CONNECT_FAILING)->count, 9);
	host.ends[1].count = 9;
	host.ends[0].at.raddr[0] = 0x20; /* a server, which should answer */
	assert_int_equal(found_only(FINDING_CONNECT_FAILING)->count, 9);
	host.facts.end_count = 0;
	facts_add_failure(FACT_CONNECT, ENETUNREACH, 9, 0, 5432);
	host.failures[0].at.family = 6;
	assert_int_equal(found_only(FINDING_CONNECT_FAILING)->count, 9);
	host.ends[0] = host.ends[1];
	host.facts.end_count = 1;
	assert_nothing_found();
}

/* A server that has restarted serves its clients again. */
static void test_it_is_over(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 5, 2);
	host.ends[0].first_ns = 100 * S;
	host.ends[0].last_ns = 102 * S;
	host.facts.now_ns = 104 * S;
	assert_int_equal(found_only(FINDING_CONNECT_FAILING)->count, 5); /* it may be still away */
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_FIN, 0, 1, 2);
	host.ends[1].last_ns = 101 * S; /* before that */
	assert_int_equal(found_only(FINDING_CONNECT_FAILING)->count, 5);
	host.ends[1].last_ns = 103 * S;
	assert_nothing_found();
	host.facts.now_ns = 103 * S; /* the next failure may be due */
	assert_int_equal(found_only(FINDING_CONNECT_FAILING)->count, 5);
}

/* Without IPv6, connect() has no address of its own, which is no lack of ports. */
static void test_ipv6_is_off(void **state)
{
	struct findings *findings;
	const struct finding *f;

	(void)state;
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 9, 0, 5432);
	host.failures[0].at.family = 6;
	assert_int_equal(found_only(FINDING_PORTS_EXHAUSTED)->err, EADDRNOTAVAIL);
	host.netns.settings[FACT_NO_IPV6] = 1;
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(f->err, EADDRNOTAVAIL);
	assert_non_null(strstr(f->why, "IPv6 is off"));
	facts_clients(TCPDWELL_ESTABLISHED, 9);
	/* A digest does not keep them, so this is not held against one. */
	findings = findings_new(&host.facts);
	assert_non_null(findings);
	assert_int_equal(findings_count(findings), 0);
	findings_free(findings);
}

/* Workers that have a connection each, of which none is found by itself. */
static void test_workers(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_SYN_SENT, 4);
	const struct finding *f;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		s[i].owner = facts_owner(100 + i, "worker");
		s[i].timers.retransmits = 2;
	}
	f = found_only(FINDING_SYN_UNANSWERED);
	assert_int_equal(found_figure(f, "in_syn_sent"), 4);
	assert_int_equal(found_figure(f, "processes"), 4);
	s[0].owner = facts_owner(100, "other");
	s[1].owner = facts_owner(101, "another");
	assert_nothing_found();
	host.facts.socket_count = 0;
	for (unsigned int i = 0; i < 3; i++) {
		facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 1, 2);
		host.ends[i].owner = facts_owner(200 + i, "cron");
	}
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(found_figure(f, "failed"), 3);
	assert_int_equal(found_figure(f, "processes"), 3);
	host.facts.end_count = 2;
	assert_nothing_found();
}

/* What a program's processes have too little of to be found by itself is found of all of them. */
static void test_programs(void **state)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_CLOSE_WAIT, 12);
	const struct finding *f;

	(void)state;
	for (unsigned int i = 0; i < 12; i++) {
		s[i].owner = facts_owner(i < 4 ? 100 + i : 104, "worker");
		s[i].age_ns = 61 * S;
	}
	f = found_first(
		FINDING_CLOSE_WAIT_LEAK); /* process 104 has many, so it has its own finding */
	assert_int_equal(f->count, 8);
	assert_int_equal(f->processes, 0);
	host.facts.socket_count = 4;
	f = found_only(FINDING_CLOSE_WAIT_LEAK);
	assert_int_equal(found_figure(f, "connections"), 4);
	assert_int_equal(found_figure(f, "processes"), 4);
	assert_string_equal(f->more, "tcpdwell leaks --port 80 --netns blue");
	host.facts.socket_count = 0;
	for (unsigned int i = 0; i < 8; i++) {
		facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, 1, 2);
		host.ends[i].owner = facts_owner(200 + i, "worker");
	}
	f = found_only(FINDING_RESETS);
	assert_int_equal(found_figure(f, "resets_sent"), 8);
	assert_int_equal(found_figure(f, "of_ends"), 100);
	assert_int_equal(found_figure(f, "processes"), 8);
	assert_string_equal(f->more, "tcpdwell --to CLOSE --port 5432 --netns blue");
	host.facts.end_count = 4;
	assert_nothing_found();
	host.facts.end_count = 0;
	for (unsigned int i = 0; i < 3; i++) {
		facts_add_failure(FACT_CONNECT, ENETUNREACH, 1, 0, 5432);
		host.failures[i].owner = facts_owner(200 + i, "worker");
	}
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(found_figure(f, "processes"), 3);
	for (unsigned int i = 0; i < 6; i++) {
		facts_add_failure(FACT_CONNECT, ENETUNREACH, 4, 0, 5432);
		host.failures[3 + i].owner = facts_owner(300 + i, "worker");
	}
	f = found_only(FINDING_CONNECT_FAILING); /* not six of them */
	assert_int_equal(found_figure(f, "failed"), 27);
	assert_int_equal(found_figure(f, "processes"), 9);
	host.facts.failure_count = 3;
	host.failures[2].owner = facts_owner(202, "other");
	assert_nothing_found();
}

/* No route: the same error for each of many addresses. */
static void test_many_addresses(void **state)
{
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 25; i++) {
		facts_add_failure(FACT_CONNECT, ENETUNREACH, 1, 0, 443);
		host.failures[i].at.raddr[3] = i;
	}
	f = found_only(FINDING_CONNECT_FAILING);
	assert_int_equal(found_figure(f, "failed"), 25);
	assert_int_equal(found_figure(f, "destinations"), 25);
	assert_int_equal(f->at.rport, 443);
	assert_int_equal(f->at.raddr[0], 0);
	host.facts.failure_count = 19;
	assert_nothing_found();
	for (int i = 0; i < 6; i++)
		host.failures[i].count = 3; /* each would have its own finding */
	assert_int_equal(found_figure(found_only(FINDING_CONNECT_FAILING), "destinations"), 19);
}

static void test_self_connect(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	const struct finding *f;

	(void)state;
	s->at.rport = s->at.lport;
	memcpy(s->at.raddr, s->at.laddr, sizeof(s->at.raddr));
	s->timers.state = TCPDWELL_ESTABLISHED;
	f = found_only(FINDING_SELF_CONNECT);
	assert_int_equal(f->owner.pid, 11);
	assert_true(f->has_end);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	/* It answers its own probes. */
	s->timers.timer = DEADLINE_TIMER_KEEPALIVE;
	s->timers.keepalive = true;
	assert_int_equal(found_only(FINDING_SELF_CONNECT)->end.kind, DEADLINE_NEVER);
	s->timers.user_timeout_ms = 1000;
	assert_int_equal(found_only(FINDING_SELF_CONNECT)->end.by, DEADLINE_BY_USER_TIMEOUT);
	s->state = TCPDWELL_TIME_WAIT;
	assert_nothing_found();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_unanswered, facts_begin),
		cmocka_unit_test_setup(test_held_up_here, facts_begin),
		cmocka_unit_test_setup(test_held_up_across, facts_begin),
		cmocka_unit_test_setup(test_timed_out, facts_begin),
		cmocka_unit_test_setup(test_given_up, facts_begin),
		cmocka_unit_test_setup(test_given_up_in_haste, facts_begin),
		cmocka_unit_test_setup(test_given_up_by_who_hurries, facts_begin),
		cmocka_unit_test_setup(test_many_ports_of_one_address, facts_begin),
		cmocka_unit_test_setup(test_many_addresses, facts_begin),
		cmocka_unit_test_setup(test_programs, facts_begin),
		cmocka_unit_test_setup(test_scan, facts_begin),
		cmocka_unit_test_setup(test_connect_failing, facts_begin),
		cmocka_unit_test_setup(test_why_it_fails, facts_begin),
		cmocka_unit_test_setup(test_falls_back, facts_begin),
		cmocka_unit_test_setup(test_ipv6_is_off, facts_begin),
		cmocka_unit_test_setup(test_it_is_over, facts_begin),
		cmocka_unit_test_setup(test_workers, facts_begin),
		cmocka_unit_test_setup(test_self_connect, facts_begin),
	};

	return cmocka_run_group_tests_name("find_open", tests, NULL, NULL);
}
