// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The table in its arrangements, against rows written by hand; and that it keeps its columns. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/tcpstate.h"
#include "base/text.h"
#include "printed.h"
#include "sample.h"

#define HEADER                                                                                     \
	"    PID COMM            LADDR:LPORT           RADDR:RPORT             DWELL FROM        " \
	"-> TO    REASON\n"

static struct style terminal(const struct sample *sample, unsigned int columns)
{
	struct style style = sample->style;

	style.tty = true;
	style.columns = columns;
	return style;
}

static void assert_table(const struct style *style, const struct tcpdwell_transition *t,
			 const char *want)
{
	char *got = sample_render(sink_table_new, style, t, 1, NULL);

	assert_string_equal(got, want);
	free(got);
}

/* Checks only the row. */
static void assert_row(const struct style *style, const struct tcpdwell_transition *t,
		       const char *want)
{
	char *got = sample_render(sink_table_new, style, t, 1, NULL);

	assert_string_equal(strchr(got, '\n') + 1, want);
	free(got);
}

/* Returns the longest IPv4 row, except for its states and reason. */
static struct tcpdwell_transition long_row(void)
{
	struct tcpdwell_transition t = sample_row();

	t.pid = 4194304;
	strcpy(t.comm, "fifteen columns");
	memcpy(t.laddr, (const uint8_t[]){ 255, 255, 255, 254 }, 4);
	memcpy(t.raddr, (const uint8_t[]){ 255, 255, 255, 255 }, 4);
	t.lport = 55555;
	t.rport = 55555;
	t.dwell = TCPDWELL_DWELL_AT_LEAST;
	t.dwell_ns = 3599000000000;
	return t;
}

/*
 * ---- Full --------------------------------------------------------------------------------------
 */

static void test_row(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();

	assert_table(&sample->style, &t,
		     HEADER "   1234 nginx           192.0.2.1:443         198.51.100.7:50000     "
			    "3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	/* The µ is one column, though two bytes. */
	t.dwell_ns = 41000;
	assert_row(&sample->style, &t,
		   "   1234 nginx           192.0.2.1:443         198.51.100.7:50000       "
		   "41µs ESTABLISHED -> CLOSE_WAIT\n");
}

static void test_unknown(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();

	t.from = TCPDWELL_CLOSE;
	t.to = TCPDWELL_SYN_SENT;
	t.owner = TCPDWELL_OWNER_NONE;
	t.dwell = TCPDWELL_DWELL_UNKNOWN;
	t.lport = 0;
	assert_row(&sample->style, &t,
		   "      - -               192.0.2.1:-           198.51.100.7:50000          "
		   "- CLOSE       -> SYN_SENT\n");
	/* A process without a name, by prctl(PR_SET_NAME). */
	t.owner = TCPDWELL_OWNER_CONNECT;
	t.comm[0] = '\0';
	assert_row(&sample->style, &t,
		   "   1234 -               192.0.2.1:-           198.51.100.7:50000          "
		   "- CLOSE       -> SYN_SENT\n");
}

static void test_listener(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();

	memset(t.laddr, 0, sizeof(t.laddr));
	memset(t.raddr, 0, sizeof(t.raddr));
	t.rport = 0;
	t.from = TCPDWELL_LISTEN;
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_LISTENER_CLOSED;
	t.dwell = TCPDWELL_DWELL_AT_LEAST;
	t.dwell_ns = 12399000000;
	assert_row(&sample->style, &t,
		   "   1234 nginx           0.0.0.0:443           *:*                    "
		   ">12.3s LISTEN      -> CLOSE listener_closed\n");
}

static void test_reasons(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	static const struct {
		uint8_t reason;
		int err;
		const char *want;
	} cases[] = {
		{ TCPDWELL_REASON_NONE, 0, "-" },
		{ TCPDWELL_REASON_NONE, EPIPE, "EPIPE" },
		{ TCPDWELL_REASON_FIN, 0, "fin" },
		/* The errno is shown only if it says more than the reason. */
		{ TCPDWELL_REASON_REFUSED, ECONNREFUSED, "refused" },
		{ TCPDWELL_REASON_TIMEOUT, ETIMEDOUT, "timeout" },
		{ TCPDWELL_REASON_TIMEOUT, EHOSTUNREACH, "timeout/EHOSTUNREACH" },
		{ TCPDWELL_REASON_UNREACHABLE, ENETUNREACH, "unreachable/ENETUNREACH" },
		{ TCPDWELL_REASON_RESET_RECEIVED, ECONNRESET, "reset_received" },
		{ TCPDWELL_REASON_RESET_RECEIVED, EPIPE, "reset_received/EPIPE" },
		{ TCPDWELL_REASON_FIN, 4095, "fin" },
		{ TCPDWELL_REASON_TIMEWAIT_OVERFLOW, 0, "timewait_overflow" },
	};
	char want[256];

	t.to = TCPDWELL_CLOSE;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t.reason = cases[i].reason;
		t.err = cases[i].err;
		snprintf(want, sizeof(want),
			 "   1234 nginx           192.0.2.1:443         198.51.100.7:50000     "
			 "3.20ms ESTABLISHED -> CLOSE %s\n",
			 cases[i].want);
		assert_row(&sample->style, &t, want);
	}
	/* Other rows have no reason. */
	t.to = TCPDWELL_LAST_ACK;
	t.reason = TCPDWELL_REASON_FIN;
	assert_row(&sample->style, &t,
		   "   1234 nginx           192.0.2.1:443         198.51.100.7:50000     "
		   "3.20ms ESTABLISHED -> LAST_ACK\n");
}

static void test_every_pair_of_states(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	char want[256];

	for (t.from = 1; t.from < TCPDWELL_STATE_MAX; t.from++) {
		for (t.to = 1; t.to < TCPDWELL_STATE_MAX; t.to++) {
			snprintf(want, sizeof(want),
				 "   1234 nginx           192.0.2.1:443         "
				 "198.51.100.7:50000     3.20ms %-11s -> %s%s\n",
				 tcpstate_name(t.from), tcpstate_name(t.to),
				 t.to == TCPDWELL_CLOSE ? " -" : "");
			assert_row(&sample->style, &t, want);
		}
	}
}

static void test_times(void **state)
{
	const struct sample *sample = *state;
	struct style style = sample->style;
	struct tcpdwell_transition t = sample_row();

	setenv("TZ", "NPT-5:45", 1);
	tzset();
	style.wall_time = true;
	assert_table(&style, &t,
		     "TIME            " HEADER
		     "05:44:58.000000    1234 nginx           192.0.2.1:443         "
		     "198.51.100.7:50000     3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	style.utc = true;
	assert_row(&style, &t,
		   "23:59:58.000000    1234 nginx           192.0.2.1:443         "
		   "198.51.100.7:50000     3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	style.since_start = true;
	assert_table(&style, &t,
		     "TIME                  TIME(s) " HEADER
		     "23:59:58.000000      2.000000    1234 nginx           192.0.2.1:443         "
		     "198.51.100.7:50000     3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	style.wall_time = false;
	t.time_ns = 1;
	assert_table(&style, &t,
		     "      TIME(s) " HEADER
		     "     0.000000    1234 nginx           192.0.2.1:443         "
		     "198.51.100.7:50000     3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	unsetenv("TZ");
	tzset();
}

static void test_ipv6_is_never_cut(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	struct style narrow = terminal(sample, 80);

	t.family = 6;
	memset(t.laddr, 0xfe, sizeof(t.laddr));
	memset(t.raddr, 0xfd, sizeof(t.raddr));
	assert_row(&sample->style, &t,
		   "   1234 nginx           [fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:443 "
		   "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:50000  3.20ms "
		   "ESTABLISHED -> CLOSE_WAIT\n");
	assert_row(&narrow, &t,
		   "   1234 nginx         443 [fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:50000  "
		   "3.20ms ESTAB->CLOSE_W\n");
	/* A pipe does not drop the reason of a long row, either. */
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_TIMEOUT;
	assert_row(&sample->style, &t,
		   "   1234 nginx           [fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:443 "
		   "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:50000  3.20ms "
		   "ESTABLISHED -> CLOSE timeout\n");
}

static void test_comm(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();

	memset(t.comm, 0, sizeof(t.comm));
	strcpy(t.comm, "\x1b[2Jevil");
	assert_row(&sample->style, &t,
		   "   1234 \\x1b[2Jevil     192.0.2.1:443         198.51.100.7:50000     "
		   "3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	/* The column keeps its width, whatever name a process gives itself. */
	memset(t.comm, '\n', sizeof(t.comm) - 1);
	assert_row(&sample->style, &t,
		   "   1234 \\x0a\\x0a\\x0a+   192.0.2.1:443         198.51.100.7:50000     "
		   "3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	memset(t.comm, 0, sizeof(t.comm));
	strcpy(t.comm, "größe");
	assert_row(&sample->style, &t,
		   "   1234 größe           192.0.2.1:443         198.51.100.7:50000     "
		   "3.20ms ESTABLISHED -> CLOSE_WAIT\n");
	strcpy(t.comm, "日本語");
	assert_row(&sample->style, &t,
		   "   1234 日本語          192.0.2.1:443         198.51.100.7:50000     "
		   "3.20ms ESTABLISHED -> CLOSE_WAIT\n");
}

/*
 * ---- Widths ------------------------------------------------------------------------------------
 */

/* Returns the width of the widest IPv4 row, over all pairs of states, reasons and errnos. */
static unsigned int widest_of_all(const struct style *style)
{
	static const int errs[] = { 0, EHOSTUNREACH, EADDRNOTAVAIL };
	struct tcpdwell_transition rows[TCPDWELL_STATE_MAX * TCPDWELL_STATE_MAX];
	struct tcpdwell_transition t = long_row();
	unsigned int max, count = 0;
	char *got;

	for (t.from = 1; t.from < TCPDWELL_STATE_MAX; t.from++) {
		for (t.to = 1; t.to < TCPDWELL_STATE_MAX; t.to++) {
			if (t.from != t.to && t.to != TCPDWELL_CLOSE)
				rows[count++] = t;
		}
	}
	t.from = TCPDWELL_ESTABLISHED;
	t.to = TCPDWELL_CLOSE;
	for (t.reason = 0; t.reason < TCPDWELL_REASON_MAX; t.reason++) {
		for (int i = 0; i < 3; i++) {
			t.err = errs[i];
			/* Only these reasons come with an errno of many kinds. */
			if (!t.err || t.reason == TCPDWELL_REASON_UNREACHABLE ||
			    t.reason == TCPDWELL_REASON_TIMEOUT)
				rows[count++] = t;
		}
	}
	got = sample_render(sink_table_new, style, rows, count, NULL);
	max = printed_columns(got);
	free(got);
	return max;
}

static void test_fits_132_columns(void **state)
{
	const struct sample *sample = *state;
	struct style style = sample->style;

	assert_in_range(widest_of_all(&style), 100, 132);
	/* With a time the errno stays: nothing is cut in a file. */
	style.wall_time = true;
	assert_in_range(widest_of_all(&style), 132, 150);
	style.wall_time = false;
	style.since_start = true;
	assert_in_range(widest_of_all(&style), 132, 150);
}

/* No terminal of 72 columns or more wraps a row. */
static void test_never_wraps(void **state)
{
	const struct sample *sample = *state;

	for (unsigned int columns = 72; columns <= 200; columns++) {
		struct style style = terminal(sample, columns);

		assert_in_range(widest_of_all(&style), 60, columns);
		if (columns < 81)
			continue;
		style.wall_time = true;
		assert_in_range(widest_of_all(&style), 70, columns);
		if (columns < 95)
			continue;
		style.since_start = true;
		assert_in_range(widest_of_all(&style), 80, columns);
	}
}

static void test_compact(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	struct style style = terminal(sample, 80);

	assert_table(&style, &t,
		     "    PID COMM        LPORT RADDR:RPORT             DWELL FROM->TO\n"
		     "   1234 nginx         443 198.51.100.7:50000     3.20ms ESTAB->CLOSE_W\n");
	strcpy(t.comm, "php-fpm: pool w");
	t.lport = 0;
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_RESET_RECEIVED;
	assert_row(
		&style, &t,
		"   1234 php-fpm: p+     - 198.51.100.7:50000     3.20ms ESTAB->CLOSE rst_rcvd\n");
	t.owner = TCPDWELL_OWNER_NONE;
	assert_row(
		&style, &t,
		"      - -               - 198.51.100.7:50000     3.20ms ESTAB->CLOSE rst_rcvd\n");
	style.wall_time = true;
	style.utc = true;
	t.reason = TCPDWELL_REASON_FIN;
	assert_table(&style, &t,
		     "TIME         PID COMM     LPORT RADDR:RPORT             DWELL FROM->TO\n"
		     "23:59:58       - -            - 198.51.100.7:50000     3.20ms "
		     "ESTAB->CLOSE fin\n");
	t.from = TCPDWELL_FIN_WAIT2;
	t.reason = TCPDWELL_REASON_RESET_RECEIVED;
	assert_row(&style, &t,
		   "23:59:58       - -            - 198.51.100.7:50000     3.20ms "
		   "FIN_W2->rst_rcvd\n");
	t.from = TCPDWELL_ESTABLISHED;
	t.reason = TCPDWELL_REASON_FIN;
	/* There is room for the local address, too. */
	style = terminal(sample, 100);
	t.owner = TCPDWELL_OWNER_ACCEPT;
	assert_table(&style, &t,
		     "    PID COMM            LADDR:LPORT           RADDR:RPORT             DWELL "
		     "FROM->TO\n"
		     "   1234 php-fpm: pool w 192.0.2.1:-           198.51.100.7:50000     3.20ms "
		     "ESTAB->CLOSE fin\n");
}

/* On a wide terminal a reason takes the room that there is. */
static void test_reason_that_fits(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	static const struct {
		unsigned int columns;
		const char *want;
	} cases[] = {
		{ 121, "ESTABLISHED -> CLOSE unreachable/EHOSTUNREACH\n" },
		{ 120, "ESTABLISHED -> CLOSE unreachable\n" },
		{ 108, "ESTABLISHED -> CLOSE unreachable\n" },
		{ 107, "ESTABLISHED -> CLOSE unreach\n" },
		{ 105, "ESTABLISHED -> CLOSE unreach\n" },
		{ 104, "ESTAB->CLOSE unreach\n" },
	};

	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_UNREACHABLE;
	t.err = EHOSTUNREACH;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct style style = terminal(sample, cases[i].columns);
		char *got = sample_render(sink_table_new, &style, &t, 1, NULL);

		assert_string_equal(strstr(strchr(got, '\n'), "ESTAB"), cases[i].want);
		free(got);
	}
}

/* Each terminal of 80 columns shows why a connection closed, even with the time of day. */
static void test_reasons_are_not_left_out(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();

	t.to = TCPDWELL_CLOSE;
	for (unsigned int columns = 80; columns <= 200; columns++) {
		struct style style = terminal(sample, columns);

		style.wall_time = true;
		for (t.reason = TCPDWELL_REASON_NONE + 1; t.reason < TCPDWELL_REASON_MAX;
		     t.reason++) {
			char *got = sample_render(sink_table_new, &style, &t, 1, NULL);

			if (columns >= 86)
				assert_non_null(strstr(got, "CLOSE "));
			else /* instead of CLOSE, if there is no room for both */
				assert_non_null(strstr(got, reason_short_name(t.reason)));
			free(got);
		}
	}
}

/* A file or pipe gets the full table, whatever the width of a terminal elsewhere. */
static void test_pipe_ignores_columns(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	struct style style = sample->style;
	char *plain = sample_render(sink_table_new, &style, &t, 1, NULL);

	style.columns = 40;
	assert_table(&style, &t, plain);
	/* So does a terminal that does not know its width. */
	style = terminal(sample, 0);
	assert_table(&style, &t, plain);
	free(plain);
}

/*
 * ---- Wide --------------------------------------------------------------------------------------
 */

static void test_wide(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	struct style style = terminal(sample, 80);

	style.wide = true;
	assert_table(&style, &t,
		     "    PID COMM            "
		     "LADDR:LPORT                                     "
		     "RADDR:RPORT                                       DWELL "
		     "FROM        -> TO          REASON                   "
		     "    COOKIE      NETNS NETNS_NAME          UID OWNER   HOLDS SOURCE        "
		     "UNIT                 CONTAINER            CONTAINER_ID "
		     "POD                              CGROUP\n"
		     "   1234 nginx           "
		     "192.0.2.1:443                                   "
		     "198.51.100.7:50000                               3.20ms "
		     "ESTABLISHED -> CLOSE_WAIT  -                        "
		     "      4097 4026531840 -                    33 accept      - tracepoint    "
		     "-                    -                    -            "
		     "-                                -\n");

	t.family = 6;
	memset(t.laddr, 0xfe, sizeof(t.laddr));
	memset(t.raddr, 0xfd, sizeof(t.raddr));
	t.lport = 65535;
	t.to = TCPDWELL_CLOSE;
	t.reason = TCPDWELL_REASON_UNREACHABLE;
	t.err = EHOSTUNREACH;
	t.cookie = 0;
	t.netns = 0;
	t.uid = UINT32_MAX;
	t.owner = TCPDWELL_OWNER_NONE;
	t.holders = 65535;
	t.source = TCPDWELL_SOURCE_TIMEWAIT_SOCK;
	assert_row(&style, &t,
		   "      - -               "
		   "[fefe:fefe:fefe:fefe:fefe:fefe:fefe:fefe]:65535 "
		   "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd]:50000  3.20ms "
		   "ESTABLISHED -> CLOSE       unreachable/EHOSTUNREACH "
		   "         -          - -                     - -       65535 timewait_sock "
		   "-                    -                    -            "
		   "-                                -\n");
}

/* Names chosen by others push nothing out of its column except what comes last. */
static void test_wide_names(void **state)
{
	static const struct named_cgroup cgroup = {
		.path = "/a\x1b",
		.texts = { "docker-aaaaaaaaaaaaaaaaaaaaaaaaa.scope", "shop\n", "aaaaaaaaaaaabbbb",
			   "web", "prod" },
		.bytes = 128,
	};
	const struct names names = { &cgroup, "a-namespace-of-length" };
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	struct style style = terminal(sample, 80);
	char *got;

	style.wide = true;
	got = sample_render_named(sink_table_new, &style, &t, &names, 1);
	assert_non_null(strstr(got, "4026531840 a-namespace+ "
				    "        33 accept      - tracepoint    "
				    "docker-aaaaaaaaaaaa+ shop\\x0a             aaaaaaaaaaaa "
				    "prod/web                         /a\\x1b\n"));
	free(got);
}

/*
 * ---- The stream --------------------------------------------------------------------------------
 */

/* The header is printed at once and only once; rows are printed when they are due. */
static void test_buffering(void **state)
{
	const struct sample *sample = *state;
	const struct tcpdwell_transition t = sample_row();
	const struct summary summary = {};
	struct sink *sink = sink_table_new(&sample->style);

	assert_int_equal(sink->ops->start(sink), 0);
	assert_int_equal(lseek(text_fd(sample->style.text), 0, SEEK_CUR), strlen(HEADER));
	assert_int_equal(sink->ops->event(sink, &t, NULL), 0);
	assert_int_equal(lseek(text_fd(sample->style.text), 0, SEEK_CUR), strlen(HEADER));
	assert_int_equal(sink->ops->tick(sink), 0);
	assert_int_equal(lseek(text_fd(sample->style.text), 0, SEEK_CUR), strlen(HEADER) + 103 - 1);
	assert_int_equal(sink->ops->event(sink, &t, NULL), 0);
	assert_int_equal(sink->ops->finish(sink, &summary), 0);
	assert_int_equal(lseek(text_fd(sample->style.text), 0, SEEK_CUR),
			 strlen(HEADER) + 2 * (103 - 1));
	sink->ops->free(sink);
}

static int rows_on(const struct sample *sample, int fd, int rows)
{
	const struct tcpdwell_transition t = sample_row();
	struct style style = sample->style;
	struct sink *sink;
	int err;

	style.text = text_new(fd, TEXT_ROWS_BYTES, NULL);
	sink = sink_table_new(&style);
	err = sink->ops->start(sink);
	for (int i = 0; i < rows && !err; i++)
		err = sink->ops->event(sink, &t, NULL);
	sink->ops->free(sink);
	text_free(style.text);
	return err;
}

static void test_reader_gone(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(rows_on(*state, fds[1], 0), -EPIPE);
	close(fds[1]);
}

static void test_full_disk(void **state)
{
	int fd = open("/dev/full", O_WRONLY);

	if (fd < 0)
		skip();
	assert_int_equal(rows_on(*state, fd, 0), -ENOSPC);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sample_set_up, sample_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_row),
		TEST(test_unknown),
		TEST(test_listener),
		TEST(test_reasons),
		TEST(test_every_pair_of_states),
		TEST(test_times),
		TEST(test_ipv6_is_never_cut),
		TEST(test_comm),
		TEST(test_fits_132_columns),
		TEST(test_never_wraps),
		TEST(test_compact),
		TEST(test_reason_that_fits),
		TEST(test_reasons_are_not_left_out),
		TEST(test_pipe_ignores_columns),
		TEST(test_wide),
		TEST(test_wide_names),
		TEST(test_buffering),
		TEST(test_reader_gone),
		TEST(test_full_disk),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("sink_table", tests, NULL, NULL);
}
