// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found of those who listen. */
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

static void test_syn_flood(void **state)
{
	struct fact_socket *l = facts_listener(0, 128);
	const struct finding *f;

	(void)state;
	l->requests = 100;
	l->old_requests = 15;
	assert_nothing_found();
	l->old_requests = 16;
	l->request_sources = 100;
	f = found_only(FINDING_SYN_FLOOD);
	assert_int_equal(f->severity, FINDING_WARNING);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(found_figure(f, "half_open_old"), 16);
	host.netns.settings[FACT_SYNCOOKIES] = 0;
	assert_int_equal(found_only(FINDING_SYN_FLOOD)->severity, FINDING_CRITICAL);
	l->requests = l->old_requests = 0;
	assert_nothing_found();
	host.netns.grew[FACT_SYNCOOKIES_SENT] = 5;
	f = found_only(FINDING_SYN_FLOOD);
	assert_int_equal(found_figure(f, "cookies_sent"), 5);
	assert_int_equal(f->owner.pid, 22); /* nobody else listens */
	assert_non_null(strstr(f->why, "No other port listens here"));
	host.facts.narrowed = true; /* others may listen */
	assert_int_equal(found_only(FINDING_SYN_FLOOD)->owner.pid, 0);
	host.facts.narrowed = false;
	facts_listener(0, 128)->at.lport = 81;
	assert_int_equal(found_only(FINDING_SYN_FLOOD)->owner.pid, 0);
}

/* A queue that gives up old requests has only young ones at times. */
static void test_syn_flood_of_young_requests(void **state)
{
	struct fact_socket *l = facts_listener(0, 16);

	(void)state;
	host.netns.settings[FACT_SYNCOOKIES] = 0;
	l->requests = 17;
	assert_nothing_found();
	host.netns.grew[FACT_REQ_FULL_DROP] = 100;
	assert_int_equal(found_figure(found_only(FINDING_SYN_FLOOD), "syns_dropped"), 100);
	l->requests = 15;
	assert_nothing_found();
}

/* If cookies are sent for each SYN, they are a flood only if they do not come back. */
static void test_cookies_for_each(void **state)
{
	static const struct fact_cookies senders[] = {
		{ { .pid = 22, .comm = "server" }, { .netns = 7, .family = 4, .lport = 80 } },
		{ { .pid = 33, .comm = "other" }, { .netns = 7, .family = 4, .lport = 81 } },
	};
	const struct finding *f;

	(void)state;
	host.netns.settings[FACT_SYNCOOKIES] = 2;
	host.netns.grew[FACT_SYNCOOKIES_SENT] = 1000;
	host.netns.grew[FACT_SYNCOOKIES_RECV] = 990;
	assert_nothing_found();
	host.netns.grew[FACT_SYNCOOKIES_RECV] = 800;
	f = found_only(FINDING_SYN_FLOOD);
	assert_int_equal(f->owner.pid, 0);
	assert_null(strstr(f->helps, "tcp_syncookies=1"));
	host.facts.cookies = senders;
	host.facts.cookies_count = 1;
	f = found_only(FINDING_SYN_FLOOD);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(f->at.lport, 80);
	host.facts.cookies_count = 2;
	assert_int_equal(found_only(FINDING_SYN_FLOOD)->owner.pid, 0); /* one of two listeners */
}

static void test_accept_queue(void **state)
{
	struct fact_socket *l = facts_listener(4, 4), *s;
	const struct finding *f;

	(void)state;
	s = facts_accepted(TCPDWELL_ESTABLISHED, 3);
	s[0].queued = true;
	s[0].age_ns = S / 2;
	assert_nothing_found();
	s[0].age_ns = 2 * S;
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(found_figure(f, "oldest"), 2 * S);
	assert_int_equal(found_figure(f, "other_connections"), 2);
	s[0].age_ns = 0;
	l->waiting = 5;
	assert_int_equal(found_figure(found_only(FINDING_ACCEPT_QUEUE_FULL), "waiting"), 5);
	l->waiting = 0;
	assert_nothing_found();
	l->drops_grew = 1;
	assert_nothing_found(); /* SYNs are dropped for other reasons, too */
	host.netns.grew[FACT_LISTEN_OVERFLOWS] = 1;
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(found_figure(f, "dropped"), 1);
	assert_int_equal(f->severity, FINDING_WARNING); /* it is over */
	l->waiting = 5;
	assert_int_equal(found_only(FINDING_ACCEPT_QUEUE_FULL)->severity, FINDING_CRITICAL);
}

static void test_what_it_does_instead(void **state)
{
	struct fact_socket *l = facts_listener(4, 4), *s = facts_accepted(TCPDWELL_ESTABLISHED, 4);

	(void)state;
	s[0].queued = true;
	s[0].age_ns = 2 * S;
	for (int i = 1; i < 4; i++)
		s[i].client = i > 1;
	s[2].at = facts_ends(9, 40001, 9100);
	s[3].at = facts_ends(9, 40002, 9100);
	assert_non_null(strstr(found_only(FINDING_ACCEPT_QUEUE_FULL)->why,
			       "has other connections to serve, most of those that it opened to "
			       "10.0.0.9:9100"));
	host.processes[0] = (struct fact_process){ l->owner, 9, 5, 100, .state = 'S' };
	strcpy(host.processes[0].call, "futex");
	host.facts.process_count = 1;
	assert_string_equal(found_only(FINDING_ACCEPT_QUEUE_FULL)->why,
			    "The process does not call accept(): it sleeps in futex(). It "
			    "has other connections to serve, most of those that it opened to "
			    "10.0.0.9:9100.");
	host.processes[0].threads = 12;
	assert_non_null(
		strstr(found_only(FINDING_ACCEPT_QUEUE_FULL)->why, "its first thread sleeps"));
	host.processes[0].state = 'T';
	assert_string_equal(found_only(FINDING_ACCEPT_QUEUE_FULL)->why,
			    "The process is stopped, by a signal or a debugger.");
}

static void add_holder(const struct fact_socket *listener, struct fact_owner owner, char state,
		       const char *call)
{
	struct fact_process *process = &host.processes[host.facts.process_count++];

	*process = (struct fact_process){ owner, 9, 5, 100, .state = state };
	strcpy(process->call, call);
	host.holders[host.facts.holder_count++] = (struct fact_holder){ listener->cookie, owner };
}

/* A server with workers that share the listener. Each one tells what it does instead. */
static void test_busy_workers(void **state)
{
	struct fact_socket *l = facts_listener(4, 4), *s = facts_accepted(TCPDWELL_ESTABLISHED, 5);
	const struct finding *f;

	(void)state;
	l->cookie = 99;
	s[0].queued = true;
	s[0].age_ns = 2 * S;
	for (unsigned int i = 1; i < 5; i++)
		s[i].owner = facts_owner(i % 2 ? 101 : 102, "worker");
	for (unsigned int i = 3; i < 5; i++) {
		s[i].client = true;
		s[i].at = facts_ends(9, 40000 + i, 9100);
	}
	/* Those who have the listener are not known. */
	assert_int_equal(found_figure(found_only(FINDING_ACCEPT_QUEUE_FULL), "other_connections"),
			 0);
	add_holder(l, l->owner, 'S', "wait");
	add_holder(l, facts_owner(101, "worker"), 'S', "recv");
	add_holder(l, facts_owner(102, "worker"), 'S', "recv");
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(found_figure(f, "other_connections"), 4);
	assert_int_equal(found_figure(f, "processes"), 3);
	assert_string_equal(f->why, "None of 3 processes calls accept(): 2 sleep in recv(), 1 "
				    "sleeps in wait(). They have other connections to serve, most "
				    "of those that they opened to 10.0.0.9:9100. 1 of them has "
				    "none of this listener's.");
	host.processes[2].state = 'T'; /* then it is the culprit */
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->owner.pid, 102);
	assert_int_equal(found_figure(f, "stopped"), 1);
	assert_non_null(strstr(f->why, "1 is stopped, 1 sleeps in recv(), 1 sleeps in wait()."));
	assert_non_null(strstr(f->helps, "kill -CONT"));
}

static void test_calls_of_accept(void **state)
{
	struct fact_socket *l = facts_listener(4, 4), *s = facts_accepted(TCPDWELL_ESTABLISHED, 1);
	const struct finding *f;

	(void)state;
	s[0].queued = true;
	s[0].age_ns = 2 * S;
	facts_add_failure(FACT_ACCEPT, 0, 70, 80, 0);
	memcpy(host.failures[0].at.laddr, l->at.laddr, sizeof(l->at.laddr));
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	for (unsigned int i = 0; i < f->figure_count; i++)
		assert_string_not_equal(f->figures[i].name, "accepted"); /* they were not counted */
	host.facts.accepts_known = true;
	assert_int_equal(found_figure(found_only(FINDING_ACCEPT_QUEUE_FULL), "accepted"), 70);
	facts_add_failure(FACT_ACCEPT, EMFILE, 9, 80, 0);
	memcpy(host.failures[1].at.laddr, l->at.laddr, sizeof(l->at.laddr));
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->err, EMFILE);
	assert_string_equal(f->why, "accept() fails: the process has no descriptor left.");
	host.failures[1].owner = facts_owner(24, "worker"); /* it has the listener, too */
	assert_int_equal(found_only(FINDING_ACCEPT_QUEUE_FULL)->owner.pid, 24);
	host.failures[0].at.lport = 81;
	assert_int_equal(found_figure(found_only(FINDING_ACCEPT_QUEUE_FULL), "accepted"), 0);
}

/* Listeners share an address (SO_REUSEPORT), and one of them accepts nothing. */
static void test_one_of_several_listeners(void **state)
{
	struct fact_socket *stuck = facts_listener(4, 4), *well = facts_listener(1, 4),
			   *s = facts_accepted(TCPDWELL_ESTABLISHED, 2);
	const struct finding *f;

	(void)state;
	stuck->owner = s[0].owner = facts_owner(23, "stuck");
	stuck->cookie = 99;
	s[0].queued = s[1].queued = true;
	s[0].age_ns = 9 * S;
	s[1].age_ns = S / 100;
	host.facts.accepts_known = true;
	facts_add_failure(FACT_ACCEPT, 0, 70, 80, 0);
	memcpy(host.failures[0].at.laddr, well->at.laddr, sizeof(well->at.laddr));
	host.failures[0].owner = well->owner;
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->owner.pid, 23);
	assert_int_equal(found_figure(f, "accepted"), 0); /* the others accepted */
	assert_non_null(strstr(f->why, "does not call accept()"));
	assert_non_null(strstr(f->why, "2 listeners share that address"));
	stuck->owner = s[0].owner = well->owner; /* threads, each with a listener */
	assert_int_equal(found_only(FINDING_ACCEPT_QUEUE_FULL)->count, 4);
}

static void test_accepts_that_are_too_few(void **state)
{
	struct fact_socket *l = facts_listener(4, 4), *s = facts_accepted(TCPDWELL_ESTABLISHED, 1);
	const struct finding *f;

	(void)state;
	s[0].queued = true;
	s[0].age_ns = 2 * S;
	host.facts.accepts_known = true;
	facts_add_failure(FACT_ACCEPT, 0, 2, 80, 0);
	memcpy(host.failures[0].at.laddr, l->at.laddr, sizeof(l->at.laddr));
	assert_string_equal(found_only(FINDING_ACCEPT_QUEUE_FULL)->why,
			    "The process accepts too slowly. It has no other connection.");
	host.processes[0] =
		(struct fact_process){ l->owner, 9, 5, 100, .state = 'S', .ring = true };
	host.facts.process_count = 1;
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_non_null(strstr(f->why, "accepts of io_uring are not counted"));
	for (unsigned int i = 0; i < f->figure_count; i++)
		assert_string_not_equal(f->figures[i].name, "accepted");
}

/* 0.0.0.0 and :: of two sockets at one port have a queue each. */
static void test_queues_of_two_families(void **state)
{
	struct fact_socket *l = facts_listener(1, 4), *six = facts_listener(1, 4),
			   *s = facts_accepted(TCPDWELL_ESTABLISHED, 1);

	(void)state;
	six->at.family = 6;
	six->v6only = true;
	s[0].queued = true;
	s[0].age_ns = 2 * S;
	assert_int_equal(found_only(FINDING_ACCEPT_QUEUE_FULL)->at.family, l->at.family);
}

static void test_what_has_not_grown(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(5, 4);
	f = found_only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(found_figure(f, "dropped"), 0);
	for (unsigned int i = 0; i < f->figure_count; i++)
		assert_false(f->figures[i].grew);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_flood, facts_begin),
		cmocka_unit_test_setup(test_syn_flood_of_young_requests, facts_begin),
		cmocka_unit_test_setup(test_cookies_for_each, facts_begin),
		cmocka_unit_test_setup(test_accept_queue, facts_begin),
		cmocka_unit_test_setup(test_what_it_does_instead, facts_begin),
		cmocka_unit_test_setup(test_busy_workers, facts_begin),
		cmocka_unit_test_setup(test_calls_of_accept, facts_begin),
		cmocka_unit_test_setup(test_one_of_several_listeners, facts_begin),
		cmocka_unit_test_setup(test_accepts_that_are_too_few, facts_begin),
		cmocka_unit_test_setup(test_queues_of_two_families, facts_begin),
		cmocka_unit_test_setup(test_what_has_not_grown, facts_begin),
	};

	return cmocka_run_group_tests_name("find_listen", tests, NULL, NULL);
}
