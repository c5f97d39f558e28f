// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found, of whom, with which figures; and what is not, on hosts that are well. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/findings.h"

#define S 1000000000ULL

#define SOCKETS_MAX 12000

/* A host that is being made up. */
static struct {
	struct facts facts;
	struct fact_socket sockets[SOCKETS_MAX];
	struct fact_failure failures[64];
	struct fact_end ends[64];
	struct fact_netns netns;
	struct fact_process processes[4];
} host;

static int begin(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	host.netns.inode = 7;
	strcpy(host.netns.name, "blue");
	for (unsigned int i = 0; i < FACT_SETTINGS; i++)
		host.netns.settings[i] = FACT_UNKNOWN;
	host.netns.settings[FACT_PORTS_LOW] = 40000;
	host.netns.settings[FACT_PORTS_HIGH] = 40099;
	host.netns.settings[FACT_SYNCOOKIES] = 1;
	host.netns.settings[FACT_MAX_ORPHANS] = 1000;
	host.facts = (struct facts){
		.span_ns = 10 * S,
		.sockets = host.sockets,
		.failures = host.failures,
		.ends = host.ends,
		.namespaces = &host.netns,
		.netns_count = 1,
		.processes = host.processes,
		.leak_ns = 60 * S,
	};
	return 0;
}

static struct fact_owner owner(uint32_t pid, const char *comm)
{
	struct fact_owner o = { .pid = pid };

	strncpy(o.comm, comm, sizeof(o.comm) - 1);
	return o;
}

/* Ends of 10.0.0.1 and 10.0.0.@peer. */
static struct fact_address ends(uint8_t peer, uint16_t lport, uint16_t rport)
{
	return (struct fact_address){
		.netns = 7,
		.family = 4,
		.lport = lport,
		.rport = rport,
		.laddr = { 10, 0, 0, 1 },
		.raddr = { 10, 0, 0, peer },
	};
}

/* @count sockets of a client in @state that are alike but for their local port. */
static struct fact_socket *clients(uint8_t state, unsigned int count)
{
	struct fact_socket *first = &host.sockets[host.facts.socket_count];

	for (unsigned int i = 0; i < count; i++)
		first[i] = (struct fact_socket){
			.at = ends(2, 40000 + host.facts.socket_count++, 5432),
			.owner = owner(11, "app"),
			.state = state,
			.client = true,
			.age_ns = 5 * S,
			.age_most_ns = FACT_UNKNOWN,
			.silent_ns = FACT_UNKNOWN,
		};
	return first;
}

/* The same of a server on port 80, with peers from 10.0.0.2 on. */
static struct fact_socket *accepted(uint8_t state, unsigned int count)
{
	struct fact_socket *first = clients(state, count);

	for (unsigned int i = 0; i < count; i++) {
		first[i].at = ends(2 + i % 200, 80, 50000 + i);
		first[i].owner = owner(22, "server");
		first[i].client = false;
	}
	return first;
}

static struct fact_socket *listener(uint32_t waiting, uint32_t backlog)
{
	struct fact_socket *l = accepted(TCPDWELL_LISTEN, 1);

	l->at = (struct fact_address){ .netns = 7, .family = 4, .lport = 80 };
	l->waiting = waiting;
	l->backlog = backlog;
	return l;
}

static void add_end(uint8_t from, uint8_t reason, uint16_t err, uint64_t count, uint8_t peer)
{
	host.ends[host.facts.end_count++] = (struct fact_end){
		.owner = owner(11, "app"),
		.at = ends(peer, 0, 5432),
		.from = from,
		.reason = reason,
		.err = err,
		.count = count,
	};
}

static void add_failure(enum fact_call call, uint16_t err, uint64_t count, uint16_t lport,
			uint16_t rport)
{
	host.failures[host.facts.failure_count++] = (struct fact_failure){
		.owner = owner(11, "app"),
		.at = ends(2, lport, rport),
		.call = call,
		.err = err,
		.count = count,
	};
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
	struct findings *findings = findings_new(&host.facts);

	assert_non_null(findings);
	if (findings_count(findings))
		fail_msg("%s is found", finding_name(findings_at(findings, 0)->id));
	findings_free(findings);
}

/* The one finding that there is, until the next call. */
static const struct finding *only(enum finding_id id)
{
	static struct finding finding;
	struct findings *findings = findings_new(&host.facts);

	assert_non_null(findings);
	assert_int_equal(findings_count(findings), 1);
	finding = *findings_at(findings, 0);
	findings_free(findings);
	assert_string_equal(finding_name(finding.id), finding_name(id));
	assert_true(finding.figure_count > 0);
	assert_true(finding.more[0]);
	return &finding;
}

/* ---- Who connects ---- */

static void test_syn_unanswered(void **state)
{
	struct fact_socket *s = clients(TCPDWELL_SYN_SENT, 4);
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

static void test_scan(void **state)
{
	struct fact_socket *s = clients(TCPDWELL_SYN_SENT, 25);
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
		add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 4, i);
	f = only(FINDING_SCAN);
	assert_int_equal(figure(f, "addresses"), 25);
	host.facts.end_count = 10; /* 10 services that are down: each by itself */
	for (int i = 0; i < 10; i++)
		host.ends[i].count = 2;
	assert_nothing();
}

static void test_connect_failing(void **state)
{
	const struct finding *f;

	(void)state;
	add_failure(FACT_CONNECT, EINPROGRESS, 1000, 0, 5432);
	add_failure(FACT_CONNECT, ENETUNREACH, 2, 0, 5432);
	assert_nothing();
	host.failures[1].count = 3;
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(f->err, ENETUNREACH);
	assert_int_equal(f->count, 3);
	/* The same failures as calls and as transitions. */
	host.failures[1].err = ECONNREFUSED;
	add_end(TCPDWELL_SYN_SENT, TCPDWELL_REASON_REFUSED, ECONNREFUSED, 9, 2);
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "failed"), 9);
	host.facts.failure_count = 0;
	f = only(FINDING_CONNECT_FAILING);
	assert_int_equal(figure(f, "failed"), 9);
}

static void test_self_connect(void **state)
{
	struct fact_socket *s = clients(TCPDWELL_ESTABLISHED, 1);

	(void)state;
	s->at.rport = s->at.lport;
	memcpy(s->at.raddr, s->at.laddr, sizeof(s->at.raddr));
	assert_int_equal(only(FINDING_SELF_CONNECT)->owner.pid, 11);
	s->state = TCPDWELL_TIME_WAIT;
	assert_nothing();
}

/* ---- Who listens ---- */

static void test_syn_flood(void **state)
{
	struct fact_socket *l = listener(0, 128);
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

static void test_accept_queue(void **state)
{
	struct fact_socket *l = listener(4, 4), *s;
	const struct finding *f;

	(void)state;
	s = accepted(TCPDWELL_ESTABLISHED, 3);
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

/* ---- What does not move on ---- */

static void test_dead_peer(void **state)
{
	struct fact_socket *s = accepted(TCPDWELL_ESTABLISHED, 1);
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
	struct fact_socket *s = accepted(TCPDWELL_ESTABLISHED, 6);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 6; i++) {
		s[i].at.raddr[3] = i % 3;
		s[i].silent_ns = i < 3 ? 60 * S : S;
		s[i].opened_ns = i < 3 ? 100 * S : 30 * S;
	}
	f = only(FINDING_HALF_OPEN);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	s[0].timers.keepalive = true;
	assert_nothing();
}

static void test_pools_are_no_suspects(void **state)
{
	struct fact_socket *s = accepted(TCPDWELL_ESTABLISHED, 200);

	(void)state;
	for (int i = 0; i < 200; i++) {
		s[i].at.raddr[3] = 2;
		s[i].silent_ns = i * S;
		s[i].opened_ns = (i + 1) * S;
	}
	assert_nothing();
	for (int i = 0; i < 200; i++)
		s[i].at.raddr[3] = i; /* one idle connection of each */
	assert_nothing();
}

static void test_leak(void **state)
{
	struct fact_socket *s = accepted(TCPDWELL_CLOSE_WAIT, 2);
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 2; i++)
		s[i].timers.state = TCPDWELL_CLOSE_WAIT;
	s[0].age_ns = 61 * S;
	f = only(FINDING_CLOSE_WAIT_LEAK);
	assert_int_equal(f->count, 1);
	assert_int_equal(f->end.kind, DEADLINE_NEVER);
	assert_string_equal(f->more, "tcpdwell leaks -p 22");
}

static void assert_stuck(uint8_t state, enum finding_id id)
{
	struct fact_socket *s;
	const struct finding *f;

	begin(NULL);
	s = accepted(state, 5);
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
	assert_int_equal(f->at.raddr[0], 0); /* of several peers none is named */
	assert_int_equal(f->end.by, DEADLINE_BY_ORPHAN_RETRIES);
	s[4].timers.retransmits = 2;
	assert_nothing();
}

static void test_stuck(void **state)
{
	(void)state;
	assert_stuck(TCPDWELL_FIN_WAIT1, FINDING_STUCK_FIN_WAIT1);
	assert_stuck(TCPDWELL_CLOSING, FINDING_STUCK_CLOSING);
	assert_stuck(TCPDWELL_LAST_ACK, FINDING_STUCK_LAST_ACK);
}

static void test_fin_wait2(void **state)
{
	struct fact_socket *s = clients(TCPDWELL_FIN_WAIT2, 5);

	(void)state;
	assert_nothing();
	for (int i = 0; i < 5; i++) {
		s[i].age_ns = 61 * S;
		s[i].timers.state = TCPDWELL_FIN_WAIT2;
	}
	assert_int_equal(only(FINDING_STUCK_FIN_WAIT2)->end.kind, DEADLINE_NEVER);
	host.facts.socket_count = 0;
	s = accepted(TCPDWELL_FIN_WAIT2, 100);
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
	clients(TCPDWELL_TIME_WAIT, 79);
	assert_nothing();
	clients(TCPDWELL_TIME_WAIT, 1);
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(figure(f, "used"), 80);
	assert_int_equal(figure(f, "timewait"), 80);
	assert_int_equal(f->severity, FINDING_WARNING);
	add_failure(FACT_CONNECT, EADDRNOTAVAIL, 1, 0, 5432);
	f = only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(f->severity, FINDING_CRITICAL);
	assert_int_equal(figure(f, "failed"), 1);
	host.facts.socket_count = 0;
	assert_int_equal(only(FINDING_PORTS_EXHAUSTED)->err, EADDRNOTAVAIL);
	host.failures[0].call = FACT_BIND;
	host.failures[0].err = EADDRINUSE;
	assert_int_equal(only(FINDING_PORTS_EXHAUSTED)->err, EADDRINUSE);
}

static void test_address_in_use(void **state)
{
	const struct finding *f;

	(void)state;
	listener(0, 128);
	add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	f = only(FINDING_ADDRESS_IN_USE);
	assert_string_equal(f->why, "server (pid 22) listens there.");
	assert_int_equal(f->at.lport, 80);
}

static void test_resets(void **state)
{
	const struct finding *f;

	(void)state;
	add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, 5, 2);
	add_end(TCPDWELL_LAST_ACK, TCPDWELL_REASON_FIN, 0, 96, 2);
	assert_nothing(); /* 4 % */
	host.ends[1].count = 95;
	f = only(FINDING_RESETS);
	assert_int_equal(figure(f, "resets_sent"), 5);
	assert_int_equal(figure(f, "of_ends"), 5);
	host.ends[0].count = 4;
	host.ends[1].count = 0;
	assert_nothing();
}

static void test_died(void **state)
{
	(void)state;
	add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_KEEPALIVE_TIMEOUT, ETIMEDOUT, 2, 2);
	add_end(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, 20, 2);
	assert_nothing();
	host.ends[0].count = 3;
	assert_int_equal(figure(only(FINDING_KEEPALIVE_DIED), "died"), 3);
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
	host.netns.orphans = 0;
	host.netns.grew[FACT_ABORT_ON_MEMORY] = 1;
	assert_int_equal(figure(only(FINDING_MEMORY), "aborted"), 1);
	host.netns.grew[FACT_ABORT_ON_MEMORY] = 0;
	host.processes[0] = (struct fact_process){ owner(22, "server"), 79, 50, 100 };
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
	listener(3, 511);
	s = accepted(TCPDWELL_ESTABLISHED, 10000); /* idle clients of a proxy */
	for (int i = 0; i < 10000; i++) {
		s[i].at.raddr[2] = i / 200;
		s[i].silent_ns = i * S;
		s[i].opened_ns = (i + 2) * S;
	}
	s = clients(TCPDWELL_ESTABLISHED, 20);
	for (int i = 0; i < 20; i++) {
		s[i].timers.keepalive = true;
		s[i].silent_ns = 3600 * S;
		s[i].opened_ns = 7200 * S;
	}
	clients(TCPDWELL_TIME_WAIT, 50);
	add_end(TCPDWELL_LAST_ACK, TCPDWELL_REASON_FIN, 0, 100000, 2);
	assert_nothing();
}

static void test_worst_first(void **state)
{
	struct findings *findings;

	(void)state;
	accepted(TCPDWELL_CLOSE_WAIT, 1)->age_ns = 61 * S;
	listener(5, 4);
	findings = findings_new(&host.facts);
	assert_int_equal(findings_count(findings), 2);
	assert_int_equal(findings_at(findings, 0)->id, FINDING_ACCEPT_QUEUE_FULL);
	assert_int_equal(findings_at(findings, 1)->id, FINDING_CLOSE_WAIT_LEAK);
	findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_unanswered, begin),
		cmocka_unit_test_setup(test_scan, begin),
		cmocka_unit_test_setup(test_connect_failing, begin),
		cmocka_unit_test_setup(test_self_connect, begin),
		cmocka_unit_test_setup(test_syn_flood, begin),
		cmocka_unit_test_setup(test_accept_queue, begin),
		cmocka_unit_test_setup(test_dead_peer, begin),
		cmocka_unit_test_setup(test_suspects, begin),
		cmocka_unit_test_setup(test_pools_are_no_suspects, begin),
		cmocka_unit_test_setup(test_leak, begin),
		cmocka_unit_test_setup(test_stuck, begin),
		cmocka_unit_test_setup(test_fin_wait2, begin),
		cmocka_unit_test_setup(test_ports, begin),
		cmocka_unit_test_setup(test_address_in_use, begin),
		cmocka_unit_test_setup(test_resets, begin),
		cmocka_unit_test_setup(test_died, begin),
		cmocka_unit_test_setup(test_host, begin),
		cmocka_unit_test_setup(test_busy_and_well, begin),
		cmocka_unit_test_setup(test_worst_first, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
