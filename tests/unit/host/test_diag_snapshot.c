// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a socket of sock_diag tells of ages, users and files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/diag_snapshot.h"

#define SECOND 1000000000ULL
#define NOW    (1000 * SECOND)
#define TICK   4000000ULL
#define OFF    (2 * TICK + 1000000)

static struct sockdiag_socket socket_in(uint8_t state)
{
	return (struct sockdiag_socket){
		.read_ns = NOW,
		.sent_ns = 30 * SECOND,
		.received_ns = 20 * SECOND,
		.acked_ns = 10 * SECOND,
		.cookie = 7,
		.inode = 5,
		.uid = 1000,
		.full = true,
		.state = state,
		.family = 4,
		.lport = 80,
	};
}

static void test_ages(void **state)
{
	static const struct {
		uint8_t state;
		uint64_t age_ns;
	} known[] = {
		{ TCPDWELL_ESTABLISHED, 30 * SECOND - OFF },
		{ TCPDWELL_CLOSE_WAIT, 10 * SECOND - OFF },
	};
	static const uint8_t unknown[] = { TCPDWELL_LISTEN,    TCPDWELL_SYN_SENT,
					   TCPDWELL_FIN_WAIT1, TCPDWELL_FIN_WAIT2,
					   TCPDWELL_LAST_ACK,  TCPDWELL_CLOSING };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct sockdiag_socket s = socket_in(known[i].state);
		struct tcpdwell_socket r = diag_record(&s, 9, TICK);

		assert_int_equal(r.since, TCPDWELL_DWELL_AT_LEAST);
		assert_int_equal(r.since_ns, NOW - known[i].age_ns);
		assert_int_equal(r.active_ns, NOW - 10 * SECOND);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		struct sockdiag_socket s = socket_in(unknown[i]);

		assert_int_equal(diag_record(&s, 9, TICK).since, TCPDWELL_DWELL_UNKNOWN);
	}
}

/* Of a timer's sixty seconds forty are left; a timer with more than sixty is no such timer. */
static void test_timewait(void **state)
{
	struct sockdiag_socket s = {
		.read_ns = NOW,
		.left_ns = 40 * SECOND,
		.sent_ns = SOCKDIAG_UNKNOWN,
		.received_ns = SOCKDIAG_UNKNOWN,
		.acked_ns = SOCKDIAG_UNKNOWN,
		.state = TCPDWELL_TIME_WAIT,
	};
	struct tcpdwell_socket r = diag_record(&s, 9, TICK);

	(void)state;
	assert_int_equal(r.since, TCPDWELL_DWELL_AT_LEAST);
	assert_int_equal(r.since_ns, NOW - 20 * SECOND + OFF);
	assert_int_equal(r.active_ns, 0);
	assert_int_equal(r.uid, UINT32_MAX);
	assert_int_equal(r.flags, 0);
	s.left_ns = 61 * SECOND;
	assert_int_equal(diag_record(&s, 9, TICK).since, TCPDWELL_DWELL_UNKNOWN);
}

static void test_file_and_stamps_that_are_not_there(void **state)
{
	struct sockdiag_socket s = socket_in(TCPDWELL_CLOSE_WAIT);

	(void)state;
	assert_int_equal(diag_record(&s, 9, TICK).flags, TCPDWELL_SOCKET_HELD);
	assert_int_equal(diag_record(&s, 9, TICK).uid, 1000);
	assert_int_equal(diag_record(&s, 9, TICK).netns, 9);
	s.inode = 0;
	assert_int_equal(diag_record(&s, 9, TICK).flags, 0);
	s.acked_ns = 0; /* within this tick */
	assert_true(diag_record(&s, 9, TICK).detail.known & TCPDWELL_KNOWN_SILENT);
	assert_int_equal(diag_record(&s, 9, TICK).detail.silent_ns, 0);
	s.sent_ns = s.received_ns = s.acked_ns = SOCKDIAG_UNKNOWN;
	assert_int_equal(diag_record(&s, 9, TICK).active_ns, 0);
	assert_false(diag_record(&s, 9, TICK).detail.known & TCPDWELL_KNOWN_SILENT);
	assert_int_equal(diag_record(&s, 9, TICK).since_ns, NOW);
	/* Older than the host: this cannot be believed. */
	s.acked_ns = 2 * NOW;
	assert_int_equal(diag_record(&s, 9, TICK).since, TCPDWELL_DWELL_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_timewait),
		cmocka_unit_test(test_file_and_stamps_that_are_not_there),
	};

	return cmocka_run_group_tests_name("diag_snapshot", tests, NULL, NULL);
}
