// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* When connections end by themselves, against what net/ipv4/tcp_timer.c does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/deadline.h"
#include "wire.h"

#define MS 1000000ULL
#define S  1000000000ULL

/* A socket whose data, FIN or SYN was sent a moment ago, at a round trip of nothing. */
static struct deadline_socket sent(uint8_t state)
{
	return (struct deadline_socket){
		.state = state,
		.timer = DEADLINE_TIMER_RETRANSMIT,
		.expires_ns = 204 * MS,
		.rto_ns = 204 * MS,
		.retransmit_ns = DEADLINE_NEVER_SEEN,
		.unacknowledged = true,
		.keepalive_intvl_s = 75,
		.keepalive_probes = 9,
	};
}

static void assert_at(const struct deadline_socket *socket, double from_s, double to_s,
		      enum deadline_by by)
{
	struct deadline d = deadline_of(socket, &deadline_defaults);

	assert_true(d.kind == DEADLINE_AT || d.kind == DEADLINE_IF_SILENT);
	assert_int_equal(d.by, by);
	if (d.ns < from_s * S || d.ns > to_s * S)
		fail_msg("%.3f s, not in %.3f to %.3f", (double)d.ns / S, from_s, to_s);
}

/* ip-sysctl: tcp_retries2 of 15 is a hypothetical timeout of 924.6 s, a lower bound. */
static void test_data_that_nobody_acknowledges(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_ESTABLISHED);

	(void)state;
	assert_at(&socket, 924.6, 924.6 + 120, DEADLINE_BY_RETRIES2);
	socket.orphan = true;
	assert_at(&socket, 102, 106, DEADLINE_BY_ORPHAN_RETRIES);
	socket.user_timeout_ms = 30000;
	assert_at(&socket, 30, 30.5, DEADLINE_BY_USER_TIMEOUT);
}

/* The prediction is checked against what is left, retransmission by retransmission. */
static void test_it_gets_nearer(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_LAST_ACK);
	uint64_t all_ns, passed_ns = 0;

	(void)state;
	socket.orphan = true;
	all_ns = deadline_of(&socket, &deadline_defaults).ns;
	for (int i = 0; i < 8; i++) {
		struct deadline d;

		passed_ns += socket.expires_ns;
		socket.retransmits++;
		socket.rto_ns *= 2;
		socket.expires_ns = socket.rto_ns;
		d = deadline_of(&socket, &deadline_defaults);
		assert_int_equal(d.kind, DEADLINE_AT);
		assert_int_equal(d.ns + passed_ns, all_ns);
	}
}

/* The time of the first retransmission counts, rather than what follows from the timeout. */
static void test_since_the_first_retransmission(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_FIN_WAIT1);

	(void)state;
	socket.orphan = true;
	socket.retransmits = 3;
	socket.rto_ns = socket.expires_ns = 1600 * MS;
	socket.retransmit_ns = 101 * S;
	assert_at(&socket, 1.6, 1.6, DEADLINE_BY_ORPHAN_RETRIES);
}

/* An orphan is given up once its timeout is at the maximum, also after an ICMP error. */
static void test_orphan_that_waits_for_two_minutes(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_FIN_WAIT1);

	(void)state;
	socket.orphan = true;
	socket.retransmits = 9;
	socket.rto_ns = 120 * S;
	socket.expires_ns = 7 * S;
	assert_at(&socket, 7, 7, DEADLINE_BY_ORPHAN_RETRIES);
}

/* 6 retries end after 127 s, and with four timeouts that are alike (6.5) after 131 s. */
static void test_syn(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_SYN_SENT);
	struct deadline_settings before_65 = deadline_defaults;

	(void)state;
	before_65.syn_linear_timeouts = 0;
	socket.rto_ns = socket.expires_ns = 1 * S;
	assert_at(&socket, 131, 131, DEADLINE_BY_SYN_RETRIES);
	assert_int_equal(deadline_of(&socket, &before_65).ns, 127 * S);
	socket.syn_retries = 1;
	assert_int_equal(deadline_of(&socket, &before_65).ns, 3 * S);
	socket.syn_retries = 0;
	socket.retransmits = 6;
	socket.expires_ns = 5 * S;
	assert_int_equal(deadline_of(&socket, &before_65).ns, 5 * S);
}

/* 5 retries end after 63 s. */
static void test_request(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_SYN_RECV);

	(void)state;
	socket.timer = DEADLINE_TIMER_REQUEST;
	socket.expires_ns = 1 * S;
	assert_at(&socket, 63, 63, DEADLINE_BY_SYNACK_RETRIES);
	socket.retransmits = 5;
	assert_at(&socket, 1, 1, DEADLINE_BY_SYNACK_RETRIES);
}

static void test_window_of_zero(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_ESTABLISHED);
	struct deadline d;

	(void)state;
	socket.timer = DEADLINE_TIMER_PROBE;
	d = deadline_of(&socket, &deadline_defaults);
	assert_int_equal(d.kind, DEADLINE_IF_SILENT);
	assert_true(d.ns > 600 * S);
	socket.orphan = true;
	assert_at(&socket, 100, 210, DEADLINE_BY_ORPHAN_RETRIES);
	socket.user_timeout_ms = 10000;
	assert_at(&socket, 10, 10.3, DEADLINE_BY_USER_TIMEOUT);
}

/* The idle time is two hours, and then come nine probes 75 s apart. */
static void test_keepalive(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_ESTABLISHED);

	(void)state;
	socket.timer = DEADLINE_TIMER_KEEPALIVE;
	socket.unacknowledged = false;
	socket.keepalive = true;
	socket.expires_ns = 7200 * S;
	assert_at(&socket, 7200 + 675, 7200 + 675, DEADLINE_BY_KEEPALIVE);
	socket.expires_ns = 60 * S;
	socket.probes_out = 9;
	assert_at(&socket, 60, 60, DEADLINE_BY_KEEPALIVE);
	socket.probes_out = 1;
	socket.idle_ns = 7215 * S;
	socket.user_timeout_ms = 7300 * 1000;
	assert_at(&socket, 135, 135, DEADLINE_BY_USER_TIMEOUT);
}

/* When the timer runs out, the kernel checks since when nothing was heard. */
static void test_keepalive_that_was_heard_of(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_ESTABLISHED);

	(void)state;
	socket.timer = DEADLINE_TIMER_KEEPALIVE;
	socket.unacknowledged = false;
	socket.keepalive = true;
	socket.keepalive_time_s = 60;
	socket.expires_ns = 10 * S;
	socket.idle_ns = 50 * S;
	assert_at(&socket, 10 + 675, 10 + 675, DEADLINE_BY_KEEPALIVE);
	socket.idle_ns = 20 * S;
	assert_at(&socket, 40 + 675, 40 + 675, DEADLINE_BY_KEEPALIVE);
	socket.probes_out = 1; /* probing has begun */
	assert_at(&socket, 10 + 600, 10 + 600, DEADLINE_BY_KEEPALIVE);
}

/* The socket's TCP_RTO_MAX_MS goes before the namespace's. */
static void test_own_longest_timeout(void **state)
{
	struct deadline_socket socket = sent(TCPDWELL_ESTABLISHED);

	(void)state;
	socket.rto_max_ms = 1000;
	/* Timeouts of 0.2, 0.4 and 0.8 s, twelve of 1 s, and the last one. */
	assert_at(&socket, 13, 16, DEADLINE_BY_RETRIES2);
}

static void test_timewait_sockets(void **state)
{
	struct deadline_socket socket = { .timer = DEADLINE_TIMER_TIMEWAIT, .expires_ns = 42 * S };

	(void)state;
	socket.state = TCPDWELL_TIME_WAIT;
	assert_at(&socket, 42, 42, DEADLINE_BY_TIMEWAIT);
	socket.state = TCPDWELL_FIN_WAIT2;
	assert_at(&socket, 42, 42, DEADLINE_BY_FIN_TIMEOUT);
	socket.timer = DEADLINE_TIMER_KEEPALIVE;
	socket.orphan = true;
	assert_at(&socket, 42, 42, DEADLINE_BY_FIN_TIMEOUT);
	/* The part of a longer timeout that is beyond 60 s comes once more. */
	socket.fin_timeout_s = 160;
	assert_at(&socket, 142, 142, DEADLINE_BY_FIN_TIMEOUT);
}

static void test_never(void **state)
{
	static const uint8_t states[] = { TCPDWELL_CLOSE_WAIT, TCPDWELL_ESTABLISHED,
					  TCPDWELL_FIN_WAIT2, TCPDWELL_LISTEN };

	(void)state;
	for (unsigned int i = 0; i < sizeof(states); i++) {
		struct deadline_socket socket = { .state = states[i] };

		assert_int_equal(deadline_of(&socket, &deadline_defaults).kind, DEADLINE_NEVER);
		socket.unacknowledged = true; /* a timer should run, but none is known */
		assert_int_equal(deadline_of(&socket, &deadline_defaults).kind, DEADLINE_UNKNOWN);
	}
}

/* Whatever a socket says, there is an answer in time, and no overflow that UBSan would see. */
static void test_any_numbers(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct deadline_socket socket;
		struct deadline_settings settings;

		for (size_t byte = 0; byte < sizeof(socket); byte++)
			((unsigned char *)&socket)[byte] = rand();
		for (size_t byte = 0; byte < sizeof(settings); byte++)
			((unsigned char *)&settings)[byte] = rand();
		socket.timer = rand() % 6;
		socket.orphan = rand() & 1;
		socket.err_soft = rand() & 1;
		socket.keepalive = rand() & 1;
		socket.unacknowledged = rand() & 1;
		settings.syn_retries %= 256;
		settings.synack_retries %= 256;
		settings.syn_linear_timeouts %= 256;
		assert_non_null(deadline_setting(deadline_of(&socket, &settings).by));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_that_nobody_acknowledges),
		cmocka_unit_test(test_it_gets_nearer),
		cmocka_unit_test(test_since_the_first_retransmission),
		cmocka_unit_test(test_orphan_that_waits_for_two_minutes),
		cmocka_unit_test(test_syn),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_window_of_zero),
		cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_keepalive_that_was_heard_of),
		cmocka_unit_test(test_own_longest_timeout),
		cmocka_unit_test(test_timewait_sockets),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_any_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
