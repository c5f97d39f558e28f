// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The report for people, against text written by hand; and that it keeps to 80 columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "printed.h"
#include "timewait_story.h"
#include "view/sink.h"
#include "view/timewait_report.h"

#define S STORY_S

static char *render(struct timewait *tw, uint64_t now_ns, const struct timewait_scope *scope,
		    const struct summary *summary)
{
	static struct timewait_figures figures;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	timewait_figures(tw, now_ns, 5, &figures);
	timewait_report(out, &figures, scope, summary);
	assert_int_equal(fclose(out), 0);
	timewait_free(tw);
	return text;
}

static void test_quiet_host(void **state)
{
	const struct timewait_scope scope = {};
	const struct summary summary = {};
	char *got = render(story_new(), STORY_START + 5 * S, &scope, &summary);

	(void)state;
	assert_string_equal(got, "TIME_WAIT: 0 now, 0 entered (0/s), 0 left, in 5.00s\n");
	free(got);
}
static void test_report(void **state)
{
	const struct timewait_scope scope = {};
	const struct summary summary = { .lost_ring = 3, .untracked = 1 };
	char *got = render(story_play(), STORY_START + 70 * S, &scope, &summary);

	(void)state;
	assert_string_equal(
		got,
		"TIME_WAIT: 449 now, 452 entered (45.1/s), 3 left, in 70.0s\n"
		"at start: 2, counted apart; time left p50 31.0s, max 59.0s\n"
		"\n"
		"PORTS OF CLIENTS, local -> remote    NOW   OPEN  PORTS    USED    RATE     FULL\n"
		"netns blue 10.0.0.5 -> 10.0.0.9:5432\n"
		"                                     448      0    500   89.6%  45.0/s in 1.16s\n"
		"10.0.0.5 -> 10.0.0.9:5432              0      0  28232    0.0%     0/s       no\n"
		"what helps, the best first (settings are those of netns blue)\n"
		"  keep connections open: keep-alive or a pool\n"
		"      python3 (77): 450 connections\n"
		"  net.ipv4.tcp_tw_reuse=1 (is 2, loopback only): ports free again after 1 s\n"
		"  net.ipv4.ip_local_port_range: now 40000 40499, 1024 65535 is the widest\n"
		"what does not: tcp_fin_timeout (is 15) is FIN_WAIT2's, TIME_WAIT stays 60 s;\n"
		"  tcp_tw_recycle is gone since Linux 4.12\n"
		"\n"
		"PROCESS                                     NOW  ENTERED     LEFT    RATE\n"
		"     77 python3                             448      451        3  45.0/s\n"
		"     80 nginx                                 1        1        0  0.10/s\n"
		"\n"
		"REMOTE                                      NOW  ENTERED     LEFT    RATE\n"
		"10.0.0.9:5432                               448      451        3  45.0/s\n"
		"10.0.0.20:*                                   1        1        0  0.10/s\n"
		"\n"
		"LOCAL PORT                                  NOW  ENTERED     LEFT    RATE\n"
		"ephemeral                                   448      451        3  45.0/s\n"
		"443                                           1        1        0  0.10/s\n"
		"\n"
		"LIFETIME             COUNT       P50       P90       P99       MAX\n"
		"expired                  1     60.9s     60.9s     60.9s     60.9s\n"
		"reused                   1     1.20s     1.20s     1.20s     1.20s\n"
		"reset                    1    41.0ms    41.0ms    41.0ms    41.0ms\n"
		"\n"
		"HISTOGRAM            expired     reused      reset\n"
		" 33.6ms .. 67.1ms          0          0          1  ****************\n"
		"  1.07s ..  2.15s          0          1          0  ****************\n"
		"  34.4s ..  68.7s          1          0          0  ****************\n"
		"\n"
		"AT START, local -> remote                                    LEFT THEN\n"
		"10.0.0.5:50001 -> 10.0.0.9:5432                                  59.0s\n"
		"10.0.0.5:50000 -> 10.0.0.9:5432                                  31.0s\n"
		"\n"
		"not counted: rows lost 3, sockets not tracked 1 (--ring-size, --max-sockets)\n");
	assert_in_range(printed_columns(got), 1, 80);
	free(got);
}

/* The report while it runs, and where not everything could be known. */
static void test_live(void **state)
{
	const struct timewait_scope scope = {
		.old_unknown = "--comm asks for an owner, which they have not",
		.closed = 2 | NETNS_WALK_MORE,
	};
	char *got = render(story_play(), STORY_START + 70 * S, &scope, NULL);

	(void)state;
	assert_string_equal(
		got,
		"TIME_WAIT: 449 now, 452 entered (45.1/s), 3 left, in 70.0s\n"
		"at start: not known (--comm asks for an owner, which they have not); not counted\n"
		"2 namespaces not looked into at start (CAP_SYS_ADMIN)\n"
		"more than 16384 namespaces: the others not looked into at start\n"
		"\n"
		"PORTS OF CLIENTS, local -> remote    NOW   OPEN  PORTS    USED    RATE     FULL\n"
		"netns blue 10.0.0.5 -> 10.0.0.9:5432\n"
		"                                     448      0    500   89.6%  45.0/s in 1.16s\n"
		"10.0.0.5 -> 10.0.0.9:5432              0      0  28232    0.0%     0/s       no\n"
		"what helps, the best first (settings are those of netns blue)\n"
		"  keep connections open: keep-alive or a pool\n"
		"      python3 (77): 450 connections\n"
		"  net.ipv4.tcp_tw_reuse=1 (is 2, loopback only): ports free again after 1 s\n"
		"  net.ipv4.ip_local_port_range: now 40000 40499, 1024 65535 is the widest\n"
		"what does not: tcp_fin_timeout (is 15) is FIN_WAIT2's, TIME_WAIT stays 60 s;\n"
		"  tcp_tw_recycle is gone since Linux 4.12\n"
		"\n"
		"PROCESS                                     NOW  ENTERED     LEFT    RATE\n"
		"     77 python3                             448      451        3  45.0/s\n"
		"     80 nginx                                 1        1        0  0.10/s\n"
		"\n"
		"REMOTE                                      NOW  ENTERED     LEFT    RATE\n"
		"10.0.0.9:5432                               448      451        3  45.0/s\n"
		"10.0.0.20:*                                   1        1        0  0.10/s\n"
		"\n"
		"LOCAL PORT                                  NOW  ENTERED     LEFT    RATE\n"
		"ephemeral                                   448      451        3  45.0/s\n"
		"443                                           1        1        0  0.10/s\n"
		"\n"
		"LIFETIME             COUNT       P50       P90       P99       MAX\n"
		"expired                  1     60.9s     60.9s     60.9s     60.9s\n"
		"reused                   1     1.20s     1.20s     1.20s     1.20s\n"
		"reset                    1    41.0ms    41.0ms    41.0ms    41.0ms\n");
	free(got);
}

static void play(struct timewait *tw, struct tcpdwell_transition t)
{
	timewait_event(tw, &t, NULL);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in:\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' is in:\n%s", part, text);
}

/* The kernel's own facts come first: what it refused, and what it did not keep. */
static void test_failures(void **state)
{
	const struct timewait_scope scope = {};
	struct tcpdwell_transition t = story_enter(STORY_OWN, 50000, STORY_START + S);
	struct timewait *tw = story_new();
	char *got;

	(void)state;
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_TIMEWAIT_OVERFLOW;
	play(tw, t);
	t.from = TCPDWELL_SYN_SENT;
	t.reason = TCPDWELL_REASON_NO_LOCAL_PORT;
	play(tw, t);
	got = render(tw, STORY_START + 2 * S, &scope, NULL);
	assert_has(got, "! 1 closed without TIME_WAIT: tcp_max_tw_buckets (131072) reached; "
			"raise it\n");
	assert_has(got, "! 1 connect() failed: no local port (EADDRNOTAVAIL)\n");
	assert_has(got, "10.0.0.5 -> 10.0.0.9:5432              0      0  28232    0.0%     0/s"
			"      NOW\n");
	assert_has(got, "  keep connections open: keep-alive or a pool\n");
	assert_has(got, "what holds the ports where few are USED is not seen: ");
	free(got);
}

/* bind() before connect(), and open connections: other programs and other advice. */
static void test_holders(void **state)
{
	const struct tcpdwell_port_use bound = { .bound = 1 };
	const struct timewait_scope scope = {};
	struct timewait *tw = story_new();
	struct tcpdwell_transition t;
	char *got;

	(void)state;
	for (unsigned int i = 0; i < 500; i++) {
		t = story_enter(STORY_BLUE, 40000 + i, STORY_START + S);
		strcpy(t.comm, "haproxy");
		t.pid = 100 + i % 2;
		timewait_event(tw, &t, &bound);
		t = story_enter(STORY_BLUE, 40000 + i, STORY_START + S);
		t.from = TCPDWELL_CLOSE;
		t.to = TCPDWELL_SYN_SENT;
		t.laddr[3] = 6;
		t.raddr[0] = 11;
		t.comm[0] = i % 2 ? 'p' : 'q';
		t.netns = STORY_OWN;
		play(tw, t);
	}
	for (unsigned int i = 0; i < 27700; i++) {
		t.lport = 33000 + i;
		play(tw, t);
	}
	got = render(tw, STORY_START + 30 * S, &scope, NULL);
	assert_has(got, "netns blue 10.0.0.5 -> any, by bind()\n"
			"                                     500      0    500  100.0%     0/s"
			"      NOW\n");
	assert_has(got, "  IP_BIND_ADDRESS_NO_PORT before bind(): what bind() chooses is closed to "
			"all\n      haproxy: 500 connections, several processes\n");
	assert_has(got, "  fewer connections at a time, or more addresses, here or there\n"
			"      python3 (77): 27");
	assert_has(got, "what does not: tcp_tw_reuse, for ports that bind() or open connections "
			"hold\n");
	assert_has_not(got, "tcp_fin_timeout");
	assert_in_range(printed_columns(got), 1, 80);
	free(got);
}

/* Without pressure there is no advice. */
static void test_no_advice(void **state)
{
	const struct timewait_scope scope = {};
	struct timewait *tw = story_new();
	char *got;

	(void)state;
	for (unsigned int i = 0; i < 100; i++)
		play(tw, story_enter(STORY_OWN, 40000 + i, STORY_START + S));
	got = render(tw, STORY_START + 20 * S, &scope, NULL);
	assert_has(got, "10.0.0.5 -> 10.0.0.9:5432            100      0  28232    0.4%     0/s"
			"       no\n");
	assert_has_not(got, "helps");
	assert_has_not(got, "tcp_");
	free(got);
}

/* An unknown namespace has no settings by which to judge. */
static void test_unknown_namespace(void **state)
{
	const struct timewait_scope scope = {};
	struct timewait *tw = story_new();
	char *got;

	(void)state;
	play(tw, story_enter(4026533000U, 40000, STORY_START + S));
	got = render(tw, STORY_START + 20 * S, &scope, NULL);
	assert_has(got, "netns 4026533000 10.0.0.5 -> 10.0.0.9:5432\n"
			"                                       1      0      -       -     0/s"
			"        -\n");
	free(got);
}

/* The longest values take two lines where they must, and never more than 80 columns. */
static void test_long_names(void **state)
{
	const struct timewait_scope scope = {};
	const struct summary summary = {};
	const uint8_t local[16] = "\x20\x01\x0d\xb8\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x66";
	struct tcpdwell_transition t = story_enter(STORY_OWN, 60999, STORY_START + S);
	struct timewait *tw = story_new();
	char *got;

	(void)state;
	t.family = 6;
	t.rport = 65535;
	memcpy(t.laddr, local, 16);
	memcpy(t.raddr, local, 16);
	t.pid = 4194304;
	memcpy(t.comm, "\033[2Jfifteen col", 16);
	play(tw, t);
	got = render(tw, STORY_START + 2 * S, &scope, &summary);
	assert_has(got, "2001:db8:1111:2222:3333:4444:5555:6600 -> "
			"[2001:db8:1111:2222:3333:4444:5555:6600]:65535\n");
	assert_has(got, "4194304 \\x1b[2Jfifteen+");
	assert_null(strchr(got, '\033'));
	free(got);
}

static void test_many(void **state)
{
	const struct timewait_scope scope = {};
	const struct summary summary = {};
	struct timewait *tw = story_new();
	struct tcpdwell_transition t;
	char *got;

	(void)state;
	for (unsigned int i = 0; i < 9; i++) {
		t = story_enter(STORY_OWN, 40000, STORY_START + S);
		t.pid = i + 1;
		t.raddr[2] = i;
		play(tw, t);
		story_add_old(tw, 50000 + i, 30 * S);
	}
	got = render(tw, STORY_START + 2 * S, &scope, &summary);
	assert_has(got,
		   "5 others                                      5        5        0  2.50/s\n");
	assert_has(got, "4 others                               4                        2.00/s\n");
	assert_has(got, "\n4 others with less\n");
	assert_in_range(printed_columns(got), 1, 80);
	free(got);
}

/* The lifetimes are the greatest that a record can have. */
static void test_long_lifetime(void **state)
{
	const struct timewait_scope scope = {};
	const struct summary summary = {};
	struct tcpdwell_transition enter = story_enter(STORY_OWN, 33000, STORY_START + S);
	struct timewait *tw = story_new();
	char *got;

	(void)state;
	play(tw, enter);
	play(tw, story_leave(&enter, 1ULL << 63, TCPDWELL_REASON_TIMEWAIT_EXPIRED));
	got = render(tw, STORY_START + 2 * S, &scope, &summary);
	assert_has(got, "106752d ..213504d          1  ****************\n");
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet_host),    cmocka_unit_test(test_report),
		cmocka_unit_test(test_live),	      cmocka_unit_test(test_failures),
		cmocka_unit_test(test_no_advice),     cmocka_unit_test(test_unknown_namespace),
		cmocka_unit_test(test_long_names),    cmocka_unit_test(test_many),
		cmocka_unit_test(test_long_lifetime), cmocka_unit_test(test_holders),
	};

	return cmocka_run_group_tests_name("timewait_report", tests, NULL, NULL);
}
