// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Names of the numbers in wire.h: those of the JSON contract, and those that users type. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/tcpstate.h"
#include "wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const states[TCPDWELL_STATE_MAX] = {
	[1] = "ESTABLISHED", [2] = "SYN_SENT",	[3] = "SYN_RECV", [4] = "FIN_WAIT1",
	[5] = "FIN_WAIT2",   [6] = "TIME_WAIT", [7] = "CLOSE",	  [8] = "CLOSE_WAIT",
	[9] = "LAST_ACK",    [10] = "LISTEN",	[11] = "CLOSING",
};

static void test_state_names(void **state)
{
	(void)state;
	for (int i = 1; i < TCPDWELL_STATE_MAX; i++) {
		assert_string_equal(tcpstate_name(i), states[i]);
		assert_int_equal(tcpstate_parse(states[i]), i);
		assert_int_equal(tcpstate_parse(tcpstate_name(i)), i);
		assert_non_null(strstr(tcpstate_list, states[i]));
		assert_in_range(strlen(tcpstate_short_name(i)), 5, 8);
	}
	assert_string_equal(tcpstate_name(0), "-");
	assert_string_equal(tcpstate_name(TCPDWELL_STATE_MAX), "-");
	assert_string_equal(tcpstate_short_name(0), "-");
	assert_string_equal(tcpstate_short_name(UINT32_MAX), "-");
}

static void test_state_spellings(void **state)
{
	static const struct {
		const char *text;
		int state;
	} cases[] = {
		{ "close-wait", TCPDWELL_CLOSE_WAIT },
		{ "close_wait", TCPDWELL_CLOSE_WAIT },
		{ "CLOSE-WAIT", TCPDWELL_CLOSE_WAIT },
		{ "CloseWait", TCPDWELL_CLOSE_WAIT },
		{ "CLOSED", TCPDWELL_CLOSE },
		{ "closed", TCPDWELL_CLOSE },
		{ "close", TCPDWELL_CLOSE },
		{ "unconn", TCPDWELL_CLOSE },
		{ "closing", TCPDWELL_CLOSING },
		{ "estab", TCPDWELL_ESTABLISHED },
		{ "FIN-WAIT-1", TCPDWELL_FIN_WAIT1 },
		{ "fin_wait_2", TCPDWELL_FIN_WAIT2 },
		{ "time-wait", TCPDWELL_TIME_WAIT },
		{ "syn-recv", TCPDWELL_SYN_RECV },
		{ "", -EINVAL },
		{ "-", -EINVAL },
		{ "C", -EINVAL },
		{ "CLOSE WAIT", -EINVAL },
		{ "CLOSEDX", -EINVAL },
		{ "FIN_WAIT", -EINVAL },
		{ "FIN_WAIT3", -EINVAL },
		{ "7", -EINVAL },
		{ " LISTEN", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(tcpstate_parse(cases[i].text), cases[i].state);
}

static void test_small_enums(void **state)
{
	(void)state;
	assert_null(owner_name(TCPDWELL_OWNER_NONE));
	assert_string_equal(owner_name(TCPDWELL_OWNER_CONNECT), "connect");
	assert_string_equal(owner_name(TCPDWELL_OWNER_LISTEN), "listen");
	assert_string_equal(owner_name(TCPDWELL_OWNER_ACCEPT), "accept");
	assert_string_equal(owner_name(TCPDWELL_OWNER_CLOSE), "close");
	assert_string_equal(owner_name(TCPDWELL_OWNER_SCAN), "scan");
	assert_null(owner_name(TCPDWELL_OWNER_MAX));

	assert_string_equal(dwell_name(TCPDWELL_DWELL_UNKNOWN), "unknown");
	assert_string_equal(dwell_name(TCPDWELL_DWELL_EXACT), "exact");
	assert_string_equal(dwell_name(TCPDWELL_DWELL_AT_LEAST), "at_least");

	assert_string_equal(source_name(TCPDWELL_SOURCE_TRACEPOINT), "tracepoint");
	assert_string_equal(source_name(TCPDWELL_SOURCE_REQUEST_SOCK), "request_sock");
	assert_string_equal(source_name(TCPDWELL_SOURCE_TIMEWAIT_SOCK), "timewait_sock");
}

static void test_reasons(void **state)
{
	static const char *const names[TCPDWELL_REASON_MAX] = {
		NULL,
		"fin",
		"reset_received",
		"reset_sent",
		"refused",
		"timeout",
		"unreachable",
		"aborted",
		"listener_closed",
		"no_local_port",
		"timewait_expired",
		"timewait_reused",
		"timewait_reset",
		"timewait_overflow",
		"netns_gone",
		"queue_overflow",
		"repair",
		"orphan_overflow",
		"keepalive_timeout",
		"user_timeout",
	};

	(void)state;
	assert_null(reason_name(TCPDWELL_REASON_NONE));
	assert_string_equal(reason_short_name(TCPDWELL_REASON_NONE), "");
	for (int i = 1; i < TCPDWELL_REASON_MAX; i++) {
		assert_string_equal(reason_name(i), names[i]);
		assert_int_equal(reason_parse(names[i]), i);
		assert_non_null(strstr(reason_list, names[i]));
		assert_in_range(strlen(reason_short_name(i)), 1, 8);
		/* No two reasons may look alike on a narrow terminal. */
		for (int k = 1; k < i; k++)
			assert_string_not_equal(reason_short_name(i), reason_short_name(k));
	}
	assert_null(reason_name(TCPDWELL_REASON_MAX));
	assert_int_equal(reason_parse("FIN"), -EINVAL);
	assert_int_equal(reason_parse(""), -EINVAL);
	assert_int_equal(reason_errno(TCPDWELL_REASON_REFUSED), ECONNREFUSED);
	assert_int_equal(reason_errno(TCPDWELL_REASON_UNREACHABLE), 0);
	assert_int_equal(reason_errno(TCPDWELL_REASON_MAX), 0);
}

static void test_errno(void **state)
{
	(void)state;
	assert_null(errno_name(0));
	assert_null(errno_name(-1));
	assert_null(errno_name(4095));
	assert_null(errno_name(65535));
	assert_string_equal(errno_name(EPIPE), "EPIPE");
	assert_string_equal(errno_name(ECONNRESET), "ECONNRESET");
	assert_string_equal(errno_name(ECONNREFUSED), "ECONNREFUSED");
	assert_string_equal(errno_name(ETIMEDOUT), "ETIMEDOUT");
	assert_string_equal(errno_name(EHOSTUNREACH), "EHOSTUNREACH");
	assert_string_equal(errno_name(EADDRNOTAVAIL), "EADDRNOTAVAIL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_names), cmocka_unit_test(test_state_spellings),
		cmocka_unit_test(test_small_enums), cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_errno),
	};

	return cmocka_run_group_tests_name("tcpstate", tests, NULL, NULL);
}
