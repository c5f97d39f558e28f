// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* From what a walk over sockets delivers to the facts of a diagnosis. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/filters.h"
#include "model/gather.h"

#define S   1000000000ULL
#define NOW (1000 * S)
#define ALL                                                                      \
	(TCPDWELL_KNOWN_TIMER | TCPDWELL_KNOWN_QUEUES | TCPDWELL_KNOWN_OPTIONS | \
	 TCPDWELL_KNOWN_KEEPALIVE | TCPDWELL_KNOWN_ORPHAN | TCPDWELL_KNOWN_SILENT)

static struct gather *gather;
static struct sockets *sockets;
static struct facts facts;

static void tell_netns(void)
{
	struct gather_netns netns = { .inode = 7, .name = "blue" };

	for (unsigned int i = 0; i < FACT_SETTINGS; i++)
		netns.settings[i] = FACT_UNKNOWN;
	for (unsigned int i = 0; i < FACT_COUNTERS; i++)
		netns.counters[i] = FACT_UNKNOWN;
	netns.settings[FACT_KEEPALIVE_INTVL] = 30;
	assert_int_equal(gather_netns(gather, &netns), 0);
}

static int set_up(void **state)
{
	(void)state;
	gather = gather_new();
	sockets = sockets_new();
	return !gather || !sockets;
}

static int tear_down(void **state)
{
	(void)state;
	gather_free(gather);
	sockets_free(sockets);
	return 0;
}

static struct tcpdwell_socket record(uint64_t key, uint8_t state, uint16_t lport, uint16_t rport)
{
	return (struct tcpdwell_socket){
		.key = key,
		.state = state,
		.family = 4,
		.since = TCPDWELL_DWELL_AT_LEAST,
		.since_ns = NOW - 5 * S,
		.netns = 7,
		.lport = lport,
		.rport = rport,
		.raddr = { 10, 0, 0, key },
		.detail.known = ALL,
	};
}

static void add(struct tcpdwell_socket r)
{
	assert_int_equal(sockets_add(sockets, &r), 0);
}

static void look_at_all(void)
{
	gather_look(gather);
	tell_netns();
	assert_int_equal(gather_facts(gather, sockets, NOW, 10 * S, 60 * S, &facts), 0);
}

static const struct fact_socket *look(uint16_t rport)
{
	const struct fact_socket *found = NULL;

	look_at_all();
	for (size_t i = 0; i < facts.socket_count; i++)
		if (facts.sockets[i].at.rport == rport)
			found = &facts.sockets[i];
	assert_non_null(found);
	return found;
}

static void test_options_of_a_socket(void **state)
{
	struct tcpdwell_socket r = record(1, TCPDWELL_ESTABLISHED, 80, 1000);
	const struct fact_socket *fact;

	(void)state;
	r.pid = r.owner_pid = 10;
	r.inode = 5;
	strcpy(r.comm, "server");
	r.detail.flags = TCPDWELL_DETAIL_KEEPALIVE;
	r.detail.timer = TCPDWELL_TIMER_RETRANSMIT;
	r.detail.retransmits = 4;
	r.detail.user_timeout_ms = 1234;
	r.detail.silent_ns = 12 * S;
	r.detail.send_bytes = 100;
	r.detail.recv_bytes = 7;
	add(r);
	fact = look(1000);
	assert_int_equal(facts.socket_count, 1);
	assert_int_equal(fact->owner.pid, 10);
	assert_int_equal(fact->timers.user_timeout_ms, 1234);
	assert_int_equal(fact->timers.keepalive_intvl_s, 30); /* the namespace's */
	assert_int_equal(fact->timers.retransmits, 4);
	assert_true(fact->timers.keepalive && fact->timers.unacknowledged);
	assert_false(fact->timers.orphan);
	assert_int_equal(fact->silent_ns, 12 * S);
	assert_int_equal(fact->unacked_bytes, 100);
	assert_int_equal(fact->unread_bytes, 7);
}

/* A connection that was heard just now is not one of which nothing is known. */
static void test_silence(void **state)
{
	struct tcpdwell_socket r = record(1, TCPDWELL_ESTABLISHED, 80, 1000);

	(void)state;
	add(r);
	r = record(2, TCPDWELL_ESTABLISHED, 80, 1001);
	r.detail.known &= ~TCPDWELL_KNOWN_SILENT;
	add(r);
	assert_int_equal(look(1000)->silent_ns, 0);
	assert_int_equal(look(1001)->silent_ns, FACT_UNKNOWN);
}

/* The kernel counts the peer's FIN as a byte, which nobody reads. */
static void test_fin_is_not_unread(void **state)
{
	struct tcpdwell_socket r = record(1, TCPDWELL_CLOSE_WAIT, 80, 1000);

	(void)state;
	r.detail.recv_bytes = 1;
	add(r);
	assert_int_equal(look(1000)->unread_bytes, 0);
}

static void test_orphans_are_nobodys(void **state)
{
	struct tcpdwell_socket r = record(1, TCPDWELL_FIN_WAIT1, 80, 1000),
			       tw = record(2, TCPDWELL_FIN_WAIT2, 80, 1001);

	(void)state;
	r.detail.flags = TCPDWELL_DETAIL_ORPHAN;
	tw.detail.known = TCPDWELL_KNOWN_TIMER | TCPDWELL_KNOWN_QUEUES;
	tw.detail.timer = TCPDWELL_TIMER_TIMEWAIT;
	tw.detail.expires_ns = 9 * S;
	add(r);
	add(tw);
	assert_true(look(1000)->timers.orphan);
	assert_int_equal(look(1000)->owner.pid, 0);
	assert_true(look(1001)->timers.orphan);
	assert_int_equal(look(1001)->timers.expires_ns, 9 * S);
}

/* A child that waits for accept() has no file, either, but is no orphan. */
static void test_queued_is_no_orphan(void **state)
{
	struct tcpdwell_socket r = record(1, TCPDWELL_ESTABLISHED, 80, 1000);

	(void)state;
	r.flags = TCPDWELL_SOCKET_QUEUED;
	r.owner = TCPDWELL_OWNER_SCAN;
	r.owner_pid = 10;
	strcpy(r.comm, "server");
	add(r);
	assert_false(look(1000)->timers.orphan);
	assert_int_equal(look(1000)->owner.pid, 10);
}

static void test_requests_and_drops(void **state)
{
	struct tcpdwell_socket listener = record(9, TCPDWELL_LISTEN, 80, 0);
	const struct fact_socket *fact;

	(void)state;
	assert_int_equal(gather_drops(gather, 9, 2), 0);
	listener.drops = 3;
	add(listener);
	for (unsigned int i = 0; i < 6; i++) {
		struct tcpdwell_socket r = record(1 + i, TCPDWELL_SYN_RECV, 80, 1000 + i);

		r.flags = TCPDWELL_SOCKET_REQUEST | (i < 4 ? 0 : TCPDWELL_SOCKET_ANSWERED);
		r.detail.timer = TCPDWELL_TIMER_REQUEST;
		r.detail.retransmits = i / 2;
		add(r);
	}
	fact = look(0);
	assert_int_equal(fact->state, TCPDWELL_LISTEN);
	assert_int_equal(fact->requests, 4);
	assert_int_equal(fact->old_requests, 2);
	assert_int_equal(fact->request_sources, 4);
	assert_int_equal(fact->drops_grew, 1); /* since the first look at it */
	sockets_clear(sockets);
	listener.drops = 5;
	add(listener);
	assert_int_equal(look(0)->drops_grew, 3);
}

static struct fact_end end_of(uint8_t from, uint8_t reason, uint16_t err, uint64_t dwell_ns)
{
	const struct tcpdwell_transition t = {
		.from = from,
		.to = TCPDWELL_CLOSE,
		.reason = reason,
		.err = err,
		.dwell = TCPDWELL_DWELL_EXACT,
		.dwell_ns = dwell_ns,
		.owner = TCPDWELL_OWNER_CONNECT,
		.netns = 7,
		.rport = 80,
	};

	assert_int_equal(gather_end(gather, &t), 0);
	look_at_all();
	return facts.ends[facts.end_count - 1];
}

/* A process that closed before the SYN could be sent again has not waited for the answer. */
static void test_what_an_end_was(void **state)
{
	(void)state;
	assert_false(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, S / 2).given_up);
	assert_true(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, S / 2).hasty);
	assert_false(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, S / 10).hasty);
	assert_false(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, S).hasty);
	assert_int_equal(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, 2 * S).waited_ns,
			 2 * S);
	assert_true(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, 0, S).given_up);
	assert_false(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_ABORTED, EHOSTUNREACH, S).given_up);
	assert_false(end_of(TCPDWELL_SYN_SENT, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, S).given_up);
	assert_int_equal(end_of(TCPDWELL_FIN_WAIT2, TCPDWELL_REASON_RESET_SENT, 0, S).from,
			 TCPDWELL_FIN_WAIT2);
	assert_int_equal(end_of(TCPDWELL_FIN_WAIT2, TCPDWELL_REASON_FIN, 0, S).from,
			 TCPDWELL_ESTABLISHED);
	assert_int_equal(end_of(TCPDWELL_CLOSE_WAIT, TCPDWELL_REASON_RESET_SENT, 0, S).from,
			 TCPDWELL_ESTABLISHED);
	assert_int_equal(end_of(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, S).from,
			 TCPDWELL_ESTABLISHED);
	assert_int_equal(end_of(TCPDWELL_LAST_ACK, TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, S).from,
			 TCPDWELL_FIN_WAIT2);
}

/* Only a client's own reset, right after the connection was open, may be a check of the port. */
static void test_brief_ends(void **state)
{
	(void)state;
	assert_true(end_of(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, S / 10).brief);
	assert_false(end_of(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_SENT, 0, S).brief);
	assert_false(end_of(TCPDWELL_ESTABLISHED, TCPDWELL_REASON_RESET_RECEIVED, 0, S / 10).brief);
	assert_false(end_of(TCPDWELL_CLOSE_WAIT, TCPDWELL_REASON_RESET_SENT, 0, S / 10).brief);
}

/* TIME_WAIT is the end of who closed first, and no second one when it expires. */
static void test_time_wait_is_an_end(void **state)
{
	struct tcpdwell_transition t = {
		.from = TCPDWELL_FIN_WAIT2,
		.to = TCPDWELL_TIME_WAIT,
		.netns = 7,
		.rport = 80,
	};

	(void)state;
	assert_int_equal(gather_end(gather, &t), 0);
	t.from = TCPDWELL_TIME_WAIT;
	t.to = TCPDWELL_CLOSE;
	assert_int_equal(gather_end(gather, &t), 0);
	look_at_all();
	assert_int_equal(facts.end_count, 1);
	assert_int_equal(facts.ends[0].count, 1);
}

/* A listener reports its cookies once a second. */
static void test_who_sends_cookies(void **state)
{
	struct tcpdwell_cookies cookies = { .netns = 7, .pid = 22, .family = 4, .lport = 80 };

	(void)state;
	strcpy(cookies.comm, "server");
	for (int i = 0; i < 3; i++)
		assert_int_equal(gather_cookies(gather, &cookies), 0);
	cookies.lport = 81;
	assert_int_equal(gather_cookies(gather, &cookies), 0);
	look_at_all();
	assert_int_equal(facts.cookies_count, 2);
	assert_int_equal(facts.cookies[0].at.lport, 80);
	assert_string_equal(facts.cookies[0].owner.comm, "server");
	assert_int_equal(gather_settle(gather), 0);
	look_at_all();
	assert_int_equal(facts.cookies_count, 0);
}

/* bind() fails for the port that it asks for here, connect() for what is at the other end. */
static void test_end_of_a_failed_call(void **state)
{
	struct tcpdwell_failed_call call = {
		.pid = 10,
		.netns = 7,
		.err = EADDRINUSE,
		.port = 80,
		.call = TCPDWELL_CALL_BIND,
		.family = 4,
		.addr = { 127, 0, 0, 1 },
	};
	const struct tcpdwell_failed_calls calls = { .count = 9, .comm = "server" };
	struct fact_failure f = gather_failure_of(&call, &calls, 2);

	(void)state;
	assert_int_equal(f.call, FACT_BIND);
	assert_int_equal(f.owner.pid, 10);
	assert_string_equal(f.owner.comm, "server");
	assert_int_equal(f.err, EADDRINUSE);
	assert_int_equal(f.count, 2);
	assert_int_equal(f.at.netns, 7);
	assert_int_equal(f.at.family, 4);
	assert_int_equal(f.at.lport, 80);
	assert_int_equal(f.at.rport, 0);
	assert_int_equal(f.at.laddr[0], 127);
	assert_int_equal(f.at.raddr[0], 0);
	call.call = TCPDWELL_CALL_CONNECT;
	f = gather_failure_of(&call, &calls, 2);
	assert_int_equal(f.call, FACT_CONNECT);
	assert_int_equal(f.at.lport, 0);
	assert_int_equal(f.at.rport, 80);
	assert_int_equal(f.at.laddr[0], 0);
	assert_int_equal(f.at.raddr[0], 127);
}

/* The sockets of a walk come in the order of processes, or in any order. */
static void test_processes_in_any_order(void **state)
{
	static const char comm[TCPDWELL_COMM_LEN] = "server";
	struct fact_process *processes;
	size_t count;

	(void)state;
	gather_look(gather);
	for (int round = 0; round < 2; round++) {
		gather_begin(gather, NOW);
		for (uint32_t i = 0; i < 3 * 50000; i++)
			assert_int_equal(gather_holder(gather, 1 + i % 50000, comm), 0);
		processes = gather_processes(gather, &count);
		assert_int_equal(count, 50000);
		for (uint32_t i = 0; i < count; i++) {
			assert_int_equal(processes[i].owner.pid, 1 + i);
			assert_int_equal(processes[i].sockets, 3);
		}
	}
}

/* The earliest possible time of its beginning bounds how old a connection is at most. */
static void test_opened_at_the_most(void **state)
{
	struct tcpdwell_socket r = record(1, TCPDWELL_ESTABLISHED, 80, 50000);
	const struct fact_socket *s;

	(void)state;
	r.since_earliest_ns = NOW - 9 * S;
	add(r);
	r = record(2, TCPDWELL_ESTABLISHED, 80, 50001);
	add(r);
	r = record(3, TCPDWELL_ESTABLISHED, 80, 50002);
	r.since = TCPDWELL_DWELL_EXACT;
	add(r);
	look_at_all();
	s = look(50000);
	assert_int_equal(s->opened_ns, 5 * S);
	assert_int_equal(s->opened_most_ns, 9 * S);
	assert_int_equal(look(50001)->opened_most_ns, FACT_UNKNOWN);
	assert_int_equal(look(50002)->opened_most_ns, 5 * S);
}

/* A closed socket is not reported, except a port that was bound: others cannot have it. */
static void test_bound_and_no_more(void **state)
{
	static const struct filters none;
	struct tcpdwell_socket r = record(1, TCPDWELL_CLOSE, 8080, 0);

	(void)state;
	r.pid = 9;
	add(r);
	r = record(2, TCPDWELL_CLOSE, 8081, 0);
	r.pid = 9;
	r.bound = 1;
	strcpy(r.comm, "holder");
	add(r);
	gather_narrow(gather, &none);
	look_at_all();
	assert_int_equal(facts.socket_count, 1);
	assert_int_equal(facts.sockets[0].at.lport, 8081);
	assert_true(facts.sockets[0].client && facts.sockets[0].bound);
	assert_int_equal(facts.sockets[0].holders, 1);
}

/* Processes that have a listener are told apart where something waits for them, once each. */
static void test_who_may_accept(void **state)
{
	struct tcpdwell_socket r = record(5, TCPDWELL_LISTEN, 80, 0);
	const struct fact_process *processes;
	size_t count;

	(void)state;
	strcpy(r.comm, "server");
	r.pid = 12;
	add(r);
	r.pid = 10;
	add(r);
	r.fd = 9;
	add(r);
	look_at_all();
	assert_int_equal(facts.holder_count, 0);
	sockets_clear(sockets);
	r.queued = 1;
	r.pid = 12;
	add(r);
	r.pid = 10;
	r.fd = 3;
	add(r);
	r.fd = 9;
	add(r);
	look_at_all();
	assert_int_equal(facts.holder_count, 2);
	assert_int_equal(facts.holders[0].owner.pid, 10);
	assert_int_equal(facts.holders[1].owner.pid, 12);
	assert_int_equal(facts.holders[1].listener, facts.sockets[0].cookie);
	processes = gather_processes(gather, &count);
	assert_int_equal(count, 2);
	assert_int_equal(processes[0].sockets, 1);
	assert_int_equal(processes[1].sockets, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_processes_in_any_order),
		TEST(test_opened_at_the_most),
		TEST(test_bound_and_no_more),
		TEST(test_options_of_a_socket),
		TEST(test_silence),
		TEST(test_fin_is_not_unread),
		TEST(test_orphans_are_nobodys),
		TEST(test_queued_is_no_orphan),
		TEST(test_requests_and_drops),
		TEST(test_end_of_a_failed_call),
		TEST(test_what_an_end_was),
		TEST(test_brief_ends),
		TEST(test_time_wait_is_an_end),
		TEST(test_who_sends_cookies),
		TEST(test_who_may_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
