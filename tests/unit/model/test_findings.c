// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found, whose it is, and with which figures; and what is not found on healthy hosts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "facts_story.h"
#include "model/digest.h"
#include "model/findings.h"

#define S 1000000000ULL

static void assert_same_ports(const struct findings *some, const struct findings *others)
{
	assert_int_equal(findings_ports_count(some), findings_ports_count(others));
	for (size_t i = 0; i < findings_ports_count(some); i++) {
		const struct finding_ports *a = findings_ports_at(some, i);
		const struct finding_ports *b = findings_ports_at(others, i);

		assert_int_equal(a->bound, b->bound);
		assert_int_equal(a->at.netns, b->at.netns);
		assert_true(a->taken == b->taken);
		assert_int_equal(a->fills, b->fills);
		assert_int_equal(a->left_ns, b->left_ns);
		assert_int_equal(a->open, b->open);
	}
}

/* A digest of the sockets must lead to the same findings, except figures that it does not keep. */
static void assert_same_of_digest(const struct findings *findings)
{
	struct digest *digest = digest_new(host.facts.leak_ns);
	struct facts facts = host.facts;
	struct findings *others;

	assert_non_null(digest);
	for (size_t i = 0; i < facts.socket_count; i++)
		assert_int_equal(digest_add(digest, &facts.sockets[i],
					    host.netns.settings[FACT_PORTS_LOW],
					    host.netns.settings[FACT_PORTS_HIGH]),
				 0);
	facts.sockets = digest_sockets(digest, &facts.socket_count);
	facts.held = digest_held(digest);
	others = findings_new(&facts);
	assert_non_null(others);
	assert_int_equal(findings_count(findings), findings_count(others));
	for (size_t i = 0; i < findings_count(findings); i++) {
		const struct finding *a = findings_at(findings, i), *b = findings_at(others, i);

		assert_string_equal(finding_name(a->id), finding_name(b->id));
		assert_int_equal(a->severity, b->severity);
		assert_int_equal(a->count, b->count);
		assert_int_equal(a->at.rport, b->at.rport);
		assert_int_equal(a->err, b->err);
	}
	assert_same_ports(findings, others);
	assert_int_equal(digest_lost(digest), 0);
	findings_free(others);
	digest_free(digest);
}

static struct findings *look(void)
{
	struct findings *findings = findings_new(&host.facts);

	assert_non_null(findings);
	assert_same_of_digest(findings);
	return findings;
}

static uint64_t figure(const struct finding *finding, const char *name)
{
	for (unsigned int i = 0; i < finding->figure_count; i++)
		if (!strcmp(finding->figures[i].name, name))
			return finding->figures[i].value;
	fail_msg("%s has no %s", finding_name(finding->id), name);
	return 0;
}

static void assert_nothing(void)
{
	struct findings *findings = look();

	assert_non_null(findings);
	if (findings_count(findings))
		fail_msg("%s is found", finding_name(findings_at(findings, 0)->id));
	findings_free(findings);
}

/* Returns the only finding, until the next call. */
static const struct finding *only(enum finding_id id)
{
	static struct finding finding;
	struct findings *findings = look();

	assert_non_null(findings);
	assert_int_equal(findings_count(findings), 1);
	finding = *findings_at(findings, 0);
	findings_free(findings);
	assert_string_equal(finding_name(finding.id), finding_name(id));
	assert_true(finding.figure_count > 0);
	assert_true(finding.more[0]);
	return &finding;
}

/* Returns the first finding of its kind, among others. */
static const struct finding *first(enum finding_id id)
{
	static struct finding finding;
	struct findings *findings = look();
	size_t i = 0;

	assert_non_null(findings);
	while (i < findings_count(findings) && findings_at(findings, i)->id != id)
		i++;
	assert_true(i < findings_count(findings));
	finding = *findings_at(findings, i);
	findings_free(findings);
	return &finding;
}

/* ---- Who connects ---- */

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
	assert_nothing();
	s[2].timers.retransmits = 2;
	f = only(FINDING_SYN_UNANSWERED);
	assert_int_equal(f->owner.pid, 11);
	assert_int_equal(f->at.rport, 5432);
	assert_int_equal(f->at.raddr[3], 2);
	assert_int_equal(figure(f, "in_syn_sent"), 3);
	assert_int_equal(figure(f, "syns_sent_again"), 3);
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
	f = first(FINDING_SYN_UNANSWERED);
	assert_int_equal(f->severity, FINDING_CRITICAL);
	assert_non_null(strstr(f->why, "the host is down"));
	assert_null(f->helps);
	for (int i = 0; i < 3; i++)
		s[i].at.raddr[3] = 1; /* this host's own address */
	f = first(FINDING_SYN_UNANSWERED);
	assert_int_equal(f->severity, FINDING_WARNING); /* the listener's finding comes first */
	assert_non_null(strstr(f->why, "it drops SYNs"));
}

/* A program with a timeout of its own leaves no socket to look at. */
static void test_given_up(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, 9, 2);
	assert_nothing(); /* it closed before the SYN was sent again */
	host.ends[0].given_up = true;
	host.ends[0].waited_ns = 3 * S;
	f = only(FINDING_SYN_UNANSWERED);
	assert_int_equal(figure(f, "longest_wait"), 3 * S);
	assert_int_equal(figure(f, "given_up"), 9);
	assert_int_equal(f->at.rport, 5432);
	host.ends[0].count = 2;
	assert_nothing();
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
	f = only(FINDING_SYN_UNANSWERED);
	assert_int_equal(figure(f, "given_up"), 9);
	assert_int_equal(figure(f, "longest_wait"), S / 2);
	assert_non_null(strstr(f->why, "less than a second"));
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_FIN, 0, 1, 2);
	assert_nothing(); /* that server answers, or another one at that port */
	host.facts.end_count = 1;
	s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	s->owner = facts_owner(12, "other");
	/* A digest has no ends, so this is not held against one. */
	findings = findings_new(&host.facts);
	assert_non_null(findings);
	assert_int_equal(findings_count(findings), 0);
	findings_free(findings);
	s->at.raddr[3] = 3;
	assert_int_equal(only(FINDING_SYN_UNANSWERED)->count, 9);
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
	assert_nothing(); /* the server answers, so only one of them counts */
	host.facts.end_count = 2;
	assert_int_equal(figure(only(FINDING_SYN_UNANSWERED), "given_up"), 11);
}

static void test_many_ports_of_one_address(void **state)
{
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 40; i++) {
		facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 1, 2);
		host.ends[i].at.rport = 100 + i;
	}
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "failed"), 40);
	assert_int_equal(figure(f, "remote_ports"), 40);
	assert_int_equal(f->at.raddr[3], 2);
	assert_int_equal(f->at.rport, 0);
	host.facts.end_count = 19;
	assert_nothing();
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
	f = only(FINDING_SCAN);
	assert_int_equal(f->count, 25);
	host.facts.socket_count = 0;
	for (int i = 0; i < 25; i++)
		facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 4, i);
	f = only(FINDING_SCAN);
	assert_int_equal(figure(f, "addresses"), 25);
	host.facts.end_count = 10; /* 10 services that are down, each by itself */
	for (int i = 0; i < 10; i++)
		host.ends[i].count = 2;
	assert_nothing();
}

static void test_connect_failing(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_failure(FACT_CONNECT, EINPROGRESS, 1000, 0, 5432);
	facts_add_failure(FACT_CONNECT, ENETUNREACH, 2, 0, 5432);
	assert_nothing();
	host.failures[1].count = 3;
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(f->err, ENETUNREACH);
	assert_int_equal(f->count, 3);
	/* The same failures are reported as calls and as transitions. */
	host.failures[1].err = ECONNREFUSED;
	facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 9, 2);
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "failed"), 9);
	host.facts.failure_count = 0;
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "failed"), 9);
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
	f = only(FINDING_SYN_UNANSWERED);
	assert_int_equal(figure(f, "in_syn_sent"), 4);
	assert_int_equal(figure(f, "processes"), 4);
	s[0].owner = facts_owner(100, "other");
	s[1].owner = facts_owner(101, "another");
	assert_nothing();
	host.facts.socket_count = 0;
	for (unsigned int i = 0; i < 3; i++) {
		facts_add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 1, 2);
		host.ends[i].owner = facts_owner(200 + i, "cron");
	}
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "failed"), 3);
	assert_int_equal(figure(f, "processes"), 3);
	host.facts.end_count = 2;
	assert_nothing();
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
	f = first(FINDING_CLOSE_WAIT_LEAK); /* process 104 has many, so it has its own finding */
	assert_int_equal(f->count, 8);
	assert_int_equal(f->processes, 0);
	host.facts.socket_count = 4;
	f = only(FINDING_CLOSE_WAIT_LEAK);
	assert_int_equal(figure(f, "connections"), 4);
	assert_int_equal(figure(f, "processes"), 4);
	assert_string_equal(f->more, "tcpdwell leaks --port 80 --netns blue");
	host.facts.socket_count = 0;
	for (unsigned int i = 0; i < 8; i++) {
		facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, 1, 2);
		host.ends[i].owner = facts_owner(200 + i, "worker");
	}
	f = only(FINDING_RESETS);
	assert_int_equal(figure(f, "resets_sent"), 8);
	assert_int_equal(figure(f, "of_ends"), 100);
	assert_int_equal(figure(f, "processes"), 8);
	assert_string_equal(f->more, "tcpdwell --to CLOSE --port 5432 --netns blue");
	host.facts.end_count = 4;
	assert_nothing();
	host.facts.end_count = 0;
	for (unsigned int i = 0; i < 3; i++) {
		facts_add_failure(FACT_CONNECT, ENETUNREACH, 1, 0, 5432);
		host.failures[i].owner = facts_owner(200 + i, "worker");
	}
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "processes"), 3);
	for (unsigned int i = 0; i < 6; i++) {
		facts_add_failure(FACT_CONNECT, ENETUNREACH, 4, 0, 5432);
		host.failures[3 + i].owner = facts_owner(300 + i, "worker");
	}
	f = only(FINDING_CONNECT_FAILING); /* not six of them */
	assert_int_equal(figure(f, "failed"), 27);
	assert_int_equal(figure(f, "processes"), 9);
	host.facts.failure_count = 3;
	host.failures[2].owner = facts_owner(202, "other");
	assert_nothing();
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
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "failed"), 25);
	assert_int_equal(figure(f, "destinations"), 25);
	assert_int_equal(f->at.rport, 443);
	assert_int_equal(f->at.raddr[0], 0);
	host.facts.failure_count = 19;
	assert_nothing();
	for (int i = 0; i < 6; i++)
		host.failures[i].count = 3; /* each would have its own finding */
	assert_int_equal(figure(only(FINDING_CONNECT_FAILING), "destinations"), 19);
}

static void test_self_connect(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	const struct finding *f;

	(void)state;
	s->at.rport = s->at.lport;
	memcpy(s->at.raddr, s->at.laddr, sizeof(s->at.raddr));
	s->timers.state = TCPDWELL_ESTABLISHED;
	f = only(FINDING_SELF_CONNECT);
	assert_int_equal(f->owner.pid, 11);
	assert_true(f->has_end);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	/* It answers its own probes. */
	s->timers.timer = DEADLINE_TIMER_KEEPALIVE;
	s->timers.keepalive = true;
	assert_int_equal(only(FINDING_SELF_CONNECT)->end.kind, DEADLINE_NEVER);
	s->timers.user_timeout_ms = 1000;
	assert_int_equal(only(FINDING_SELF_CONNECT)->end.by, DEADLINE_BY_USER_TIMEOUT);
	s->state = TCPDWELL_TIME_WAIT;
	assert_nothing();
}

/* ---- Who listens ---- */

static void test_syn_flood(void **state)
{
	struct fact_socket *l = facts_listener(0, 128);
	const struct finding *f;

	(void)state;
	l->requests = 100;
	l->old_requests = 15;
	assert_nothing();
	l->old_requests = 16;
	l->request_sources = 100;
	f = only(FINDING_SYN_FLOOD);
	assert_int_equal(f->severity, FINDING_WARNING);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(figure(f, "half_open_old"), 16);
	host.netns.settings[FACT_SYNCOOKIES] = 0;
	assert_int_equal(only(FINDING_SYN_FLOOD)->severity, FINDING_CRITICAL);
	l->requests = l->old_requests = 0;
	assert_nothing();
	host.netns.grew[FACT_SYNCOOKIES_SENT] = 5;
	f = only(FINDING_SYN_FLOOD);
	assert_int_equal(figure(f, "cookies_sent"), 5);
	assert_int_equal(f->owner.pid, 0);
}

/* A queue that gives up old requests has only young ones at times. */
static void test_syn_flood_of_young_requests(void **state)
{
	struct fact_socket *l = facts_listener(0, 16);

	(void)state;
	host.netns.settings[FACT_SYNCOOKIES] = 0;
	l->requests = 17;
	assert_nothing();
	host.netns.grew[FACT_REQ_FULL_DROP] = 100;
	assert_int_equal(figure(only(FINDING_SYN_FLOOD), "syns_dropped"), 100);
	l->requests = 15;
	assert_nothing();
}

/* If cookies are sent for each SYN, they are a flood only if they do not come back. */
static void test_cookies_for_each(void **state)
{
	static const struct fact_cookies senders[] = {
		{ { 22, "server" }, { .netns = 7, .family = 4, .lport = 80 } },
		{ { 33, "other" }, { .netns = 7, .family = 4, .lport = 81 } },
	};
	const struct finding *f;

	(void)state;
	host.netns.settings[FACT_SYNCOOKIES] = 2;
	host.netns.grew[FACT_SYNCOOKIES_SENT] = 1000;
	host.netns.grew[FACT_SYNCOOKIES_RECV] = 990;
	assert_nothing();
	host.netns.grew[FACT_SYNCOOKIES_RECV] = 800;
	f = only(FINDING_SYN_FLOOD);
	assert_int_equal(f->owner.pid, 0);
	assert_null(strstr(f->helps, "tcp_syncookies=1"));
	host.facts.cookies = senders;
	host.facts.cookies_count = 1;
	f = only(FINDING_SYN_FLOOD);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(f->at.lport, 80);
	host.facts.cookies_count = 2;
	assert_int_equal(only(FINDING_SYN_FLOOD)->owner.pid, 0); /* one of two listeners */
}

static void test_accept_queue(void **state)
{
	struct fact_socket *l = facts_listener(4, 4), *s;
	const struct finding *f;

	(void)state;
	s = facts_accepted(TCPDWELL_ESTABLISHED, 3);
	s[0].queued = true;
	s[0].age_ns = S / 2;
	assert_nothing();
	s[0].age_ns = 2 * S;
	f = only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(figure(f, "oldest"), 2 * S);
	assert_int_equal(figure(f, "other_connections"), 2);
	s[0].age_ns = 0;
	l->waiting = 5;
	assert_int_equal(figure(only(FINDING_ACCEPT_QUEUE_FULL), "waiting"), 5);
	l->waiting = 0;
	assert_nothing();
	l->drops_grew = 1;
	assert_nothing(); /* SYNs are dropped for other reasons, too */
	host.netns.grew[FACT_LISTEN_OVERFLOWS] = 1;
	assert_int_equal(figure(only(FINDING_ACCEPT_QUEUE_FULL), "dropped"), 1);
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
	assert_non_null(strstr(only(FINDING_ACCEPT_QUEUE_FULL)->why,
			       "has other connections to serve, most of those that it opened to "
			       "10.0.0.9:9100"));
	host.processes[0] = (struct fact_process){ l->owner, 9, 5, 100, .state = 'S' };
	strcpy(host.processes[0].call, "futex");
	host.facts.process_count = 1;
	assert_string_equal(only(FINDING_ACCEPT_QUEUE_FULL)->why,
			    "The process does not call accept(): it sleeps in futex(). It "
			    "has other connections to serve, most of those that it opened to "
			    "10.0.0.9:9100.");
	host.processes[0].threads = 12;
	assert_non_null(strstr(only(FINDING_ACCEPT_QUEUE_FULL)->why, "its first thread sleeps"));
	host.processes[0].state = 'T';
	assert_string_equal(only(FINDING_ACCEPT_QUEUE_FULL)->why,
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
	assert_int_equal(figure(only(FINDING_ACCEPT_QUEUE_FULL), "other_connections"), 0);
	add_holder(l, l->owner, 'S', "wait");
	add_holder(l, facts_owner(101, "worker"), 'S', "recv");
	add_holder(l, facts_owner(102, "worker"), 'S', "recv");
	f = only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->owner.pid, 22);
	assert_int_equal(figure(f, "other_connections"), 4);
	assert_int_equal(figure(f, "processes"), 3);
	assert_string_equal(f->why, "None of 3 processes calls accept(): 2 sleep in recv(), 1 "
				    "sleeps in wait(). They have other connections to serve, most "
				    "of those that they opened to 10.0.0.9:9100. 1 of them has "
				    "none of this listener's.");
	host.processes[2].state = 'T'; /* then it is the culprit */
	f = only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->owner.pid, 102);
	assert_int_equal(figure(f, "stopped"), 1);
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
	f = only(FINDING_ACCEPT_QUEUE_FULL);
	for (unsigned int i = 0; i < f->figure_count; i++)
		assert_string_not_equal(f->figures[i].name, "accepted"); /* they were not counted */
	host.facts.accepts_known = true;
	assert_int_equal(figure(only(FINDING_ACCEPT_QUEUE_FULL), "accepted"), 70);
	facts_add_failure(FACT_ACCEPT, EMFILE, 9, 80, 0);
	memcpy(host.failures[1].at.laddr, l->at.laddr, sizeof(l->at.laddr));
	f = only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(f->err, EMFILE);
	assert_string_equal(f->why, "accept() fails: the process has no descriptor left.");
	host.failures[0].at.lport = 81;
	assert_int_equal(figure(only(FINDING_ACCEPT_QUEUE_FULL), "accepted"), 0);
}

static void test_what_has_not_grown(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(5, 4);
	f = only(FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(figure(f, "dropped"), 0);
	for (unsigned int i = 0; i < f->figure_count; i++)
		assert_false(f->figures[i].grew);
}

/* ---- What does not move on ---- */

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
	f = only(FINDING_HALF_OPEN);
	assert_int_equal(figure(f, "unacknowledged"), 100);
	assert_int_equal(f->end.by, DEADLINE_BY_RETRIES2);
	s->silent_ns = 9 * S;
	assert_nothing();
	s->silent_ns = FACT_UNKNOWN;
	assert_nothing();
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
	assert_nothing(); /* all may have been open for long, three of them in use */
	for (int i = 3; i < 6; i++)
		s[i].opened_most_ns = 30 * S;
	f = only(FINDING_HALF_OPEN);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	/* The other end of one is on this host, and open. */
	s = facts_clients(TCPDWELL_ESTABLISHED, 1);
	s->at = (struct fact_address){ .netns = 8, .lport = 50000, .rport = 80 };
	memcpy(s->at.laddr, host.sockets[0].at.raddr, sizeof(s->at.laddr));
	memcpy(s->at.raddr, host.sockets[0].at.laddr, sizeof(s->at.raddr));
	assert_nothing();
	host.facts.socket_count--;
	host.sockets[0].timers.keepalive = true;
	assert_nothing();
	host.sockets[0].timers.keepalive = false;
	assert_int_equal(only(FINDING_HALF_OPEN)->count, 3);
	s = facts_accepted(TCPDWELL_ESTABLISHED, 1); /* of a peer that has one in use since long */
	s->at.raddr[3] = 2;
	s->silent_ns = S;
	assert_nothing();
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
	assert_nothing();
	for (int i = 0; i < 200; i++)
		s[i].at.raddr[3] = i; /* each has one idle connection */
	assert_nothing();
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
	const struct finding *f = only(FINDING_HALF_OPEN);

	(void)state;
	assert_int_equal(f->severity, FINDING_NOTE);
	assert_int_equal(figure(f, "suspects"), 8);
	assert_int_equal(figure(f, "peers"), 1);
	s[7].silent_ns = 25 * S; /* one of the old ones is in use */
	assert_nothing();
	s = pool_that_came_back();
	s[3].timers.keepalive = true; /* keep-alive would have noticed */
	assert_nothing();
	s = pool_that_came_back();
	for (int i = 8; i < 16; i++) /* they may have been open, and in use, all the time */
		s[i].opened_most_ns = FACT_UNKNOWN;
	assert_nothing();
	s = pool_that_came_back();
	for (int i = 8; i < 16; i++) /* the pool grows slowly */
		s[i].opened_most_ns = (i - 7) * 7 * S;
	assert_nothing();
	s = pool_that_came_back();
	for (int i = 8; i < 16; i++) /* two programs have a pool each, both idle */
		s[i].silent_ns = 30 * S;
	assert_nothing();
}

static void test_leak(void **state)
{
	struct fact_socket *s = facts_accepted(TCPDWELL_CLOSE_WAIT, 2);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 2; i++)
		s[i].timers.state = TCPDWELL_CLOSE_WAIT;
	s[0].age_ns = 61 * S;
	f = only(FINDING_CLOSE_WAIT_LEAK);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	assert_string_equal(f->more, "tcpdwell leaks -p 22 --netns blue");
	s[0].silent_ns = S; /* it sends, and the peer acknowledges */
	assert_nothing();
	s[0].timers.keepalive = true; /* or the peer answers probes */
	only(FINDING_CLOSE_WAIT_LEAK);
	s[0].idle_ns = S; /* no, data went */
	assert_nothing();
	s[0].timers.keepalive = false;
	s[0].idle_ns = 60 * S; /* the peer sends probes */
	only(FINDING_CLOSE_WAIT_LEAK);
	s[0].idle_ns = FACT_UNKNOWN;
	s[0].silent_ns = 60 * S;
	only(FINDING_CLOSE_WAIT_LEAK);
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
	f = only(id);
	assert_int_equal(f->at.lport, 80);
	assert_int_equal(f->at.raddr[0], 0); /* there are several peers, so none is named */
	assert_int_equal(f->end.by, DEADLINE_BY_ORPHAN_RETRIES);
	assert_int_equal(f->settings[0], FACT_ORPHAN_RETRIES);
	s[4].timers.retransmits = 2;
	assert_nothing();
	for (int i = 0; i < 5; i++) { /* the FIN was never sent */
		s[i].timers.retransmits = 0;
		s[i].timers.timer = DEADLINE_TIMER_PROBE;
		s[i].timers.probes_out = 2;
	}
	f = only(id);
	assert_int_equal(figure(f, "probes"), 2);
	assert_non_null(strstr(f->why, "The FIN has not been sent"));
	for (int i = 0; i < 5; i++) {
		s[i].timers.orphan = false;
		s[i].timers.timer = DEADLINE_TIMER_RETRANSMIT;
		s[i].timers.retransmits = 3;
	}
	f = only(id);
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
	assert_nothing();
	for (int i = 0; i < 5; i++)
		s[i].timers.backoff = 6;
	assert_non_null(strstr(only(FINDING_STUCK_FIN_WAIT1)->why, "the peer reads nothing"));
}

static void test_fin_wait2(void **state)
{
	struct fact_socket *s = facts_clients(TCPDWELL_FIN_WAIT2, 5);

	(void)state;
	assert_nothing();
	for (int i = 0; i < 5; i++) {
		s[i].age_ns = 61 * S;
		s[i].timers.state = TCPDWELL_FIN_WAIT2;
	}
	assert_int_equal(only(FINDING_STUCK_FIN_WAIT2)->end.kind, DEADLINE_NEVER);
	s[0].silent_ns = S; /* the peer goes on sending to it */
	assert_nothing();
	host.facts.socket_count = 0;
	s = facts_accepted(TCPDWELL_FIN_WAIT2, 100);
	for (int i = 0; i < 100; i++) {
		s[i].owner = (struct fact_owner){ 0 };
		s[i].timers.orphan = true;
		s[i].timers.timer = DEADLINE_TIMER_TIMEWAIT;
		s[i].timers.state = TCPDWELL_FIN_WAIT2;
		s[i].timers.expires_ns = i * S;
	}
	assert_int_equal(only(FINDING_STUCK_FIN_WAIT2)->end.ns, 99 * S);
	host.facts.socket_count--;
	assert_nothing();
}

/* ---- What runs out ---- */

static void test_ports(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_TIME_WAIT, 79);
	assert_nothing();
	facts_clients(TCPDWELL_TIME_WAIT, 1);
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(figure(f, "used"), 80);
	assert_int_equal(figure(f, "timewait"), 80);
	assert_int_equal(f->severity, FINDING_WARNING);
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 1, 0, 5432);
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(f->severity, FINDING_CRITICAL);
	assert_int_equal(figure(f, "failed"), 1);
	host.facts.socket_count = 0;
	assert_int_equal(only(FINDING_PORTS_EXHAUSTED)->err, EADDRNOTAVAIL);
	host.failures[0].call = FACT_BIND;
	host.failures[0].err = EADDRINUSE;
	assert_int_equal(only(FINDING_PORTS_EXHAUSTED)->err, EADDRINUSE);
}

/* pressure.h says whose ports are in whose way, and what follows. */
static void test_ports_by_holder(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_ESTABLISHED, 100);
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_non_null(strstr(f->why, "Open connections hold them: "));
	assert_non_null(strstr(f->why, "has 100 connections."));
	assert_non_null(strstr(f->helps, "Fewer connections at a time"));
	assert_non_null(strstr(f->useless, "tcp_tw_reuse"));
	/* There is room enough to ten destinations, except for those that bind. */
	for (unsigned int i = 0; i < 100; i++) {
		host.sockets[i].at.raddr[3] = i % 10;
		host.sockets[i].state = TCPDWELL_TIME_WAIT;
	}
	assert_nothing();
	for (unsigned int i = 0; i < 100; i++)
		host.sockets[i].bound = true;
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(figure(f, "used"), 100);
	assert_int_equal(f->at.rport, 0);
	assert_non_null(strstr(f->helps, "IP_BIND_ADDRESS_NO_PORT"));
	/* There are two links, and each has half of the connections. */
	for (unsigned int i = 0; i < 100; i++)
		host.sockets[i].scope = i % 2;
	assert_nothing();
}

/* One of three source addresses has no port left, and which one failed is not told. */
/* A port stays taken until each process that has its socket has closed it. */
static void test_ports_of_forked(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_ESTABLISHED, 100);
	for (unsigned int i = 0; i < 100; i++)
		host.sockets[i].holders = i < 60 ? 5 : 1;
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_non_null(strstr(f->why, "app has 100 connections. Others, such as forked children, "
				       "have 60 of the sockets open, too."));
}

static void test_ports_of_one(void **state)
{
	(void)state;
	facts_clients(TCPDWELL_TIME_WAIT, 90);
	for (unsigned int i = 1; i < 90; i++)
		host.sockets[i].owner = (struct fact_owner){ 0 };
	assert_non_null(strstr(only(FINDING_PORTS_EXHAUSTED)->why, "app has 1 connection."));
}

static void test_ports_of_several_sources(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_ESTABLISHED, 150);
	for (unsigned int i = 0; i < 150; i++) {
		host.sockets[i].at.laddr[3] = i < 100 ? 3 : 1;
		host.sockets[i].at.lport = 40000 + i % 100;
	}
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 5, 0, 5432);
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(f->at.laddr[3], 3);
	assert_int_equal(figure(f, "failed"), 5);
}

/* Returns the local ports of the @i-th destination, until the next call; NULL: there is none. */
static const struct finding_ports *ports_at(size_t i)
{
	static struct finding_ports ports;
	struct findings *findings = look();
	size_t count;

	assert_non_null(findings);
	count = findings_ports_count(findings);
	if (i < count)
		ports = *findings_ports_at(findings, i);
	findings_free(findings);
	return i < count ? &ports : NULL;
}

/* Destinations are listed, wrong or not, for reports of how full they are. */
static void test_fullest_destinations(void **state)
{
	struct finding_ports before;
	struct fact_socket *s;

	(void)state;
	host.netns.settings[FACT_PORTS_HIGH] = 40999;
	s = facts_clients(TCPDWELL_ESTABLISHED, 320);
	for (unsigned int i = 0; i < 20; i++)
		s[i].at.raddr[3] = 3;
	for (unsigned int i = 20; i < 25; i++)
		s[i].at.raddr[3] = 4; /* below a hundredth */
	assert_int_equal(ports_at(0)->open, 295);
	assert_true(ports_at(0)->taken == 0.295);
	assert_int_equal(ports_at(0)->at.rport, 5432);
	assert_false(ports_at(0)->fills);
	assert_int_equal(ports_at(1)->open, 20);
	assert_null(ports_at(2));
	assert_nothing();
	/* There were 100 of them 10 s ago: 705 are left, and 19.5 go each second. */
	before = *ports_at(0);
	before.open = 100;
	host.facts.ports = &before;
	host.facts.port_count = 1;
	assert_true(ports_at(0)->fills);
	assert_int_equal(ports_at(0)->left_ns / S, 36);
	assert_false(ports_at(1)->fills);
	/* Ports that bind() took are closed to each destination, and all ports to bind(). */
	for (unsigned int i = 100; i < 200; i++)
		s[i].bound = true;
	assert_true(ports_at(0)->bound);
	assert_true(ports_at(0)->taken == 0.32);
	assert_true(ports_at(1)->taken == 0.295);
	assert_int_equal(ports_at(1)->open, 195);
	assert_false(ports_at(1)->bound);
	assert_true(ports_at(2)->taken == 0.12);
	assert_null(ports_at(4));
}

/* Connections that entered TIME_WAIT lately show the rate of those that will. */
static void test_destination_that_fills(void **state)
{
	struct fact_socket *s;

	(void)state;
	host.netns.settings[FACT_PORTS_HIGH] = 40999;
	s = facts_clients(TCPDWELL_TIME_WAIT, 400);
	for (unsigned int i = 0; i < 400; i++)
		s[i].timers.expires_ns = (60 - i / 40) * S; /* 40 a second, for 10 s */
	assert_true(ports_at(0)->taken == 0.4);
	assert_true(ports_at(0)->fills);
	assert_in_range(ports_at(0)->left_ns / S, 14, 15);
	/* To 127.0.0.1 connect() takes such ports back. */
	for (unsigned int i = 0; i < 400; i++)
		s[i].at.laddr[0] = 127;
	host.netns.settings[FACT_TW_REUSE] = 2;
	assert_null(ports_at(0));
}

static void test_address_in_use(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(0, 128);
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	f = only(FINDING_ADDRESS_IN_USE);
	assert_string_equal(f->why, "server (pid 22) listens there.");
	assert_int_equal(f->at.lport, 80);
}

/* Tells what has the port if nobody listens at that address. */
static void test_who_has_the_port(void **state)
{
	struct fact_socket *l = facts_listener(0, 128), *s;
	const struct finding *f;

	(void)state;
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0); /* of 10.0.0.1 */
	l->at.laddr[0] = 127;
	f = only(FINDING_ADDRESS_IN_USE);
	assert_non_null(strstr(f->why, "Nothing has it"));
	s = facts_accepted(TCPDWELL_TIME_WAIT, 2);
	f = only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(figure(f, "timewait"), 2);
	assert_non_null(strstr(f->why, "TIME_WAIT"));
	s[1].state = TCPDWELL_ESTABLISHED;
	f = only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(figure(f, "connections"), 1);
	assert_non_null(strstr(f->why, "server (pid 22) has connections at that port"));
	s[1].owner = (struct fact_owner){ 0 };
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "are closed"));
	memset(l->at.laddr, 0, sizeof(l->at.laddr));
	l->owner = (struct fact_owner){ 0 };
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "process is not known"));
}

/* A port is not free as long as a child has the socket, or a process that does not use it. */
static void test_who_else_has_the_port(void **state)
{
	struct fact_socket *l = facts_listener(0, 128);

	(void)state;
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	l->holders = 1;
	assert_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "others have"));
	l->holders = 2;
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "others have that socket"));
	l->state = TCPDWELL_CLOSE;
	l->bound = true;
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "neither listens"));
}

/* Addresses of the other family are in the way where one is :: and its socket is for both. */
static void test_who_has_the_port_of_two_families(void **state)
{
	struct fact_socket *l = facts_listener(0, 128);
	struct fact_failure *failure = &host.failures[0];

	(void)state;
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	memset(l->at.laddr, 0, sizeof(l->at.laddr));
	memset(failure->at.laddr, 0, sizeof(failure->at.laddr));
	failure->at.family = 6;
	failure->at.laddr[15] = 1; /* ::1, where 0.0.0.0 is taken */
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
	failure->at.laddr[15] = 0; /* :: */
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "listens there"));
	failure->v6only = true;
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
	failure->v6only = false;
	/* The other way round. */
	failure->at.family = 4;
	l->at.family = 6;
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "listens there"));
	failure->at.laddr[0] = 10; /* 10.0.0.0 */
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "listens there"));
	l->v6only = true;
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
	l->v6only = false;
	l->at.laddr[15] = 1;
	memset(failure->at.laddr, 0, sizeof(failure->at.laddr));
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
}

static void test_listen_in_use(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(0, 4);
	facts_add_failure(FACT_LISTEN, EADDRINUSE, 1, 80, 0);
	f = only(FINDING_ADDRESS_IN_USE);
	assert_string_equal(f->why, "server (pid 22) listens there.");
	assert_int_equal(f->owner.pid, 11);
}

static void test_forbidden_port(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_failure(FACT_BIND, EACCES, 1, 80, 0);
	host.netns.settings[FACT_UNPRIVILEGED] = 1024;
	f = only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(f->err, EACCES);
	assert_non_null(strstr(f->why, "CAP_NET_BIND_SERVICE"));
	assert_int_equal(f->settings[0], FACT_UNPRIVILEGED);
	host.netns.settings[FACT_UNPRIVILEGED] = 80;
	assert_non_null(strstr(only(FINDING_ADDRESS_IN_USE)->why, "A security module"));
}

static void test_foreign_address(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(0, 128);
	facts_add_failure(FACT_BIND, EADDRNOTAVAIL, 2, 80, 0);
	f = only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(f->err, EADDRNOTAVAIL);
	assert_int_equal(figure(f, "failed"), 2);
	assert_non_null(strstr(f->why, "No interface of this namespace has that address"));
}

/* The command shows the rows of the namespace that it is about. */
static void test_namespace_of_the_command(void **state)
{
	(void)state;
	facts_listener(0, 128);
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	assert_string_equal(only(FINDING_ADDRESS_IN_USE)->more,
			    "tcpdwell snapshot --sockets -L 80 --netns blue");
	host.netns.name[0] = '\0';
	assert_string_equal(only(FINDING_ADDRESS_IN_USE)->more,
			    "tcpdwell snapshot --sockets -L 80 --netns 7");
	host.netns.own = true;
	assert_string_equal(only(FINDING_ADDRESS_IN_USE)->more,
			    "tcpdwell snapshot --sockets -L 80");
}

static void test_resets(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, 5, 2);
	facts_add_end(TCPDWELL_LAST_ACK, TCPDWELL_REASON_FIN, 0, 96, 2);
	assert_nothing(); /* 4 % */
	host.ends[1].count = 95;
	f = only(FINDING_RESETS);
	assert_int_equal(figure(f, "resets_sent"), 5);
	assert_int_equal(figure(f, "of_ends"), 5);
	host.ends[0].count = 4;
	host.ends[1].count = 0;
	assert_nothing();
}

static void test_kinds_of_resets(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_FIN_WAIT2, TCPDWELL_REASON_RESET_SENT, 0, 5, 2);
	host.netns.grew[FACT_ABORT_ON_DATA] = 5;
	assert_non_null(strstr(only(FINDING_RESETS)->why, "Data comes after"));
	host.ends[0].from = TCPDWELL_ESTABLISHED;
	assert_string_equal(only(FINDING_RESETS)->why, "The process closes with SO_LINGER of 0.");
	host.netns.grew[FACT_ABORT_ON_CLOSE] = 5;
	assert_non_null(strstr(only(FINDING_RESETS)->why, "it has not read"));
}

static void test_died_of_a_user_timeout(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_USER_TIMEOUT, ETIMEDOUT, 3, 2);
	f = only(FINDING_KEEPALIVE_DIED);
	assert_int_equal(f->setting_count, 0); /* the settings of keep-alive did not decide */
	assert_non_null(strstr(f->helps, "TCP_USER_TIMEOUT"));
}

static void test_died(void **state)
{
	(void)state;
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_KEEPALIVE_TIMEOUT, ETIMEDOUT, 2, 2);
	facts_add_end(TCPDWELL_FIN_WAIT2, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, 20, 2);
	assert_nothing();
	host.ends[0].count = 3;
	assert_int_equal(figure(only(FINDING_KEEPALIVE_DIED), "died"), 3);
	host.facts.end_count = 0; /* data is told apart from keep-alive */
	facts_add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, 3, 2);
	assert_int_equal(figure(only(FINDING_HALF_OPEN), "died"), 3);
	assert_int_equal(only(FINDING_HALF_OPEN)->settings[0], FACT_RETRIES2);
	host.ends[0].count = 2;
	assert_nothing();
}

static void test_host(void **state)
{
	(void)state;
	host.netns.grew[FACT_TIMEWAIT_OVERFLOW] = 1;
	assert_int_equal(only(FINDING_TIMEWAIT_OVERFLOW)->count, 1);
	host.netns.grew[FACT_TIMEWAIT_OVERFLOW] = 0;
	host.netns.orphans = 799;
	assert_nothing();
	host.netns.orphans = 800;
	assert_int_equal(figure(only(FINDING_ORPHANS), "used"), 80);
	host.netns.orphans = 500; /* some of them count twice */
	host.netns.grew[FACT_ABORT_ON_MEMORY] = 1;
	assert_int_equal(figure(only(FINDING_ORPHANS), "aborted"), 1);
	host.netns.grew[FACT_MEMORY_PRESSURES] = 1;
	assert_int_equal(figure(only(FINDING_MEMORY), "aborted"), 1);
	host.netns.grew[FACT_MEMORY_PRESSURES] = host.netns.grew[FACT_ABORT_ON_MEMORY] = 0;
	host.facts.memory = (struct fact_memory){ 400, 400 };
	assert_int_equal(figure(only(FINDING_MEMORY), "pages"), 400);
	host.facts.memory.pages = 399;
	host.processes[0] = (struct fact_process){ facts_owner(22, "server"), 79, 50, 100,
						   .state = 'S' };
	host.facts.process_count = 1;
	assert_nothing();
	host.processes[0].descriptors = 80;
	assert_int_equal(only(FINDING_DESCRIPTORS)->owner.pid, 22);
}

/* ---- A host that is well ---- */

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
	assert_nothing();
}

static void test_worst_first(void **state)
{
	struct findings *findings;

	(void)state;
	facts_accepted(TCPDWELL_CLOSE_WAIT, 1)->age_ns = 61 * S;
	facts_listener(5, 4);
	findings = look();
	assert_int_equal(findings_count(findings), 2);
	assert_int_equal(findings_at(findings, 0)->id, FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(findings_at(findings, 1)->id, FINDING_CLOSE_WAIT_LEAK);
	findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_unanswered, facts_begin),
		cmocka_unit_test_setup(test_held_up_here, facts_begin),
		cmocka_unit_test_setup(test_given_up, facts_begin),
		cmocka_unit_test_setup(test_given_up_in_haste, facts_begin),
		cmocka_unit_test_setup(test_given_up_by_who_hurries, facts_begin),
		cmocka_unit_test_setup(test_many_ports_of_one_address, facts_begin),
		cmocka_unit_test_setup(test_many_addresses, facts_begin),
		cmocka_unit_test_setup(test_programs, facts_begin),
		cmocka_unit_test_setup(test_scan, facts_begin),
		cmocka_unit_test_setup(test_connect_failing, facts_begin),
		cmocka_unit_test_setup(test_workers, facts_begin),
		cmocka_unit_test_setup(test_self_connect, facts_begin),
		cmocka_unit_test_setup(test_syn_flood, facts_begin),
		cmocka_unit_test_setup(test_syn_flood_of_young_requests, facts_begin),
		cmocka_unit_test_setup(test_cookies_for_each, facts_begin),
		cmocka_unit_test_setup(test_accept_queue, facts_begin),
		cmocka_unit_test_setup(test_what_it_does_instead, facts_begin),
		cmocka_unit_test_setup(test_busy_workers, facts_begin),
		cmocka_unit_test_setup(test_calls_of_accept, facts_begin),
		cmocka_unit_test_setup(test_what_has_not_grown, facts_begin),
		cmocka_unit_test_setup(test_dead_peer, facts_begin),
		cmocka_unit_test_setup(test_suspects, facts_begin),
		cmocka_unit_test_setup(test_pools_are_no_suspects, facts_begin),
		cmocka_unit_test_setup(test_pool_that_came_back, facts_begin),
		cmocka_unit_test_setup(test_leak, facts_begin),
		cmocka_unit_test_setup(test_stuck, facts_begin),
		cmocka_unit_test_setup(test_no_room_for_fin, facts_begin),
		cmocka_unit_test_setup(test_fin_wait2, facts_begin),
		cmocka_unit_test_setup(test_ports, facts_begin),
		cmocka_unit_test_setup(test_ports_by_holder, facts_begin),
		cmocka_unit_test_setup(test_ports_of_forked, facts_begin),
		cmocka_unit_test_setup(test_ports_of_one, facts_begin),
		cmocka_unit_test_setup(test_ports_of_several_sources, facts_begin),
		cmocka_unit_test_setup(test_fullest_destinations, facts_begin),
		cmocka_unit_test_setup(test_destination_that_fills, facts_begin),
		cmocka_unit_test_setup(test_address_in_use, facts_begin),
		cmocka_unit_test_setup(test_who_has_the_port, facts_begin),
		cmocka_unit_test_setup(test_who_else_has_the_port, facts_begin),
		cmocka_unit_test_setup(test_who_has_the_port_of_two_families, facts_begin),
		cmocka_unit_test_setup(test_listen_in_use, facts_begin),
		cmocka_unit_test_setup(test_forbidden_port, facts_begin),
		cmocka_unit_test_setup(test_foreign_address, facts_begin),
		cmocka_unit_test_setup(test_namespace_of_the_command, facts_begin),
		cmocka_unit_test_setup(test_resets, facts_begin),
		cmocka_unit_test_setup(test_kinds_of_resets, facts_begin),
		cmocka_unit_test_setup(test_died_of_a_user_timeout, facts_begin),
		cmocka_unit_test_setup(test_died, facts_begin),
		cmocka_unit_test_setup(test_host, facts_begin),
		cmocka_unit_test_setup(test_busy_and_well, facts_begin),
		cmocka_unit_test_setup(test_worst_first, facts_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
