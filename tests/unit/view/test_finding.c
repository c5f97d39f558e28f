// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A finding as text at 80 columns, in one line, and as JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "printed.h"
#include "view/diagnosis.h"
#include "view/finding.h"

static struct fact_netns netns = { .inode = 7, .name = "blue" };

static struct finding a_queue(void)
{
	return (struct finding){
		.id = FINDING_ACCEPT_QUEUE_FULL,
		.severity = FINDING_CRITICAL,
		.count = 5,
		.owner = { .pid = 42, .comm = "ser\x1bver" },
		.at = { .netns = 7, .family = 4, .lport = 8080, .laddr = { 127, 0, 0, 1 } },
		.figures = { { "waiting", 5, FIGURE_COUNT, false },
			     { "oldest", 2500000000, FIGURE_NS, false },
			     { "dropped", 3, FIGURE_COUNT, true } },
		.figure_count = 3,
		.why = "The process does not call accept().",
		.settings = { FACT_SOMAXCONN },
		.setting_count = 1,
		.more = "tcpdwell snapshot -l -L 8080",
	};
}

static const struct finding_context context = { .netns = &netns, .command = "server --all" };

static void test_text(void **state)
{
	const struct finding finding = a_queue();
	FILE *out = printed_begin();

	(void)state;
	netns.settings[FACT_SOMAXCONN] = 128;
	finding_print(out, &finding, &context, 80);
	fclose(out);
	assert_string_equal(
		printed,
		"critical: connections wait, and nobody accepts them (accept_queue_full)\n"
		"  where   127.0.0.1:8080, netns blue\n"
		"  who     pid 42 ser\\x1bver\n"
		"          command server --all\n"
		"  seen    waiting 5, oldest 2.50s, dropped +3\n"
		"  why     The process does not call accept().\n"
		"  do      Make the program accept: more workers, an event loop that does not\n"
		"          block. For bursts alone a larger backlog of listen() and\n"
		"          net.core.somaxconn, which bounds it.\n"
		"  no help A larger backlog for a program that does not accept: the clients only\n"
		"          wait for longer. net.ipv4.tcp_max_syn_backlog, which is about the\n"
		"          other queue.\n"
		"  now     net.core.somaxconn is 128\n"
		"  more    tcpdwell snapshot -l -L 8080\n");
}

static void test_end(void **state)
{
	static const struct {
		struct deadline end;
		const char *line;
	} ends[] = {
		{ { DEADLINE_NEVER, DEADLINE_BY_NOTHING, 0 }, "  ends    never by itself\n" },
		{ { DEADLINE_AT, DEADLINE_BY_ORPHAN_RETRIES, 100000000000 },
		  "  ends    by itself within 1m40s (net.ipv4.tcp_orphan_retries)\n" },
		{ { DEADLINE_IF_SILENT, DEADLINE_BY_KEEPALIVE, 5000000000 },
		  "  ends    by itself within 5.00s (keep-alive), unless the peer answers\n" },
		{ { DEADLINE_UNKNOWN, DEADLINE_BY_NOTHING, 0 }, "  ends    not known\n" },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct finding finding = a_queue();
		FILE *out = printed_begin();

		finding.has_end = true;
		finding.end = ends[i].end;
		finding_print(out, &finding, &context, 80);
		fclose(out);
		assert_non_null(strstr(printed, ends[i].line));
	}
}

static void test_advice_of_the_errno(void **state)
{
	struct finding finding = a_queue();
	FILE *out = printed_begin();

	(void)state;
	finding.id = FINDING_CONNECT_FAILING;
	finding.err = ENETUNREACH;
	finding_print(out, &finding, &context, 80);
	fclose(out);
	assert_non_null(strstr(printed, "ENETUNREACH: Network is unreachable\n"));
	assert_non_null(strstr(printed, "  do      `ip route get ADDRESS`.\n"));
}

static void test_line(void **state)
{
	const struct finding finding = a_queue();
	FILE *out = printed_begin();

	(void)state;
	finding_print_line(out, &finding, &context);
	fclose(out);
	assert_string_equal(printed,
			    "critical accept_queue_full: 127.0.0.1:8080, netns blue, pid 42 "
			    "ser\\x1bver, waiting 5, oldest 2.50s, dropped +3");
}

static void test_json(void **state)
{
	static const char *const parts[] = {
		"{\"type\":\"finding\",\"time\":\"1970-01-01T00:00:01",
		",\"id\":\"accept_queue_full\",\"severity\":\"critical\"",
		",\"netns\":7,\"netns_name\":\"blue\",\"laddr\":\"127.0.0.1\",\"lport\":8080,"
		"\"raddr\":null,\"rport\":null,\"pid\":42,",
		",\"command\":\"server --all\",\"unit\":null,",
		",\"seen\":{\"waiting\":5,\"oldest_ns\":2500000000,\"dropped\":3},"
		"\"grew\":[\"dropped\"],",
		",\"ends\":null,\"ends_ns\":null,\"ends_by\":null,",
		",\"settings\":{\"net.core.somaxconn\":128},",
		",\"more\":\"tcpdwell snapshot -l -L 8080\"}\n",
	};
	const struct finding finding = a_queue();
	FILE *out = printed_begin();

	(void)state;
	finding_print_json(out, &finding, &context, 1000000000);
	fclose(out);
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (!strstr(printed, parts[i]))
			fail_msg("no %s in %s", parts[i], printed);
}

static void test_what_was_looked_at(void **state)
{
	struct diagnosis diagnosis = { .span_ns = 10000000000, .sockets = 1, .namespaces = 2 };
	FILE *out = printed_begin();

	(void)state;
	diagnosis_print(out, &diagnosis, 0);
	fclose(out);
	assert_string_equal(printed, "nothing wrong among 1 socket (0 listeners) in 2 network "
				     "namespaces, looked at for 10.0s\n");
	diagnosis.closed = 1;
	diagnosis.hidden = "TIME_WAIT is not seen";
	out = printed_begin();
	diagnosis_print(out, &diagnosis, 1);
	fclose(out);
	assert_non_null(strstr(printed, "1 finding among 1 socket"));
	assert_non_null(strstr(printed, "not looked at: 1 network namespace that cannot"));
	assert_non_null(strstr(printed, "not seen on this kernel: TIME_WAIT is not seen\n"));
}

/* There is a line when a finding comes, none while it stays, and a line when it goes. */
static void test_coming_and_going(void **state)
{
	struct diagnosis_diff *diff = diagnosis_diff_new();
	struct finding finding = a_queue();

	(void)state;
	for (int look = 0; look < 4; look++) {
		FILE *out = printed_begin();

		finding.figures[0].value++;
		diagnosis_diff_begin(diff);
		if (look < 2)
			diagnosis_diff_add(diff, out, &finding, &context, 1);
		diagnosis_diff_end(diff, out, 1);
		fclose(out);
		assert_int_equal(printed[0] != '\0', look == 0 || look == 2);
		if (printed[0])
			assert_non_null(
				strstr(printed, look ? " - critical acc" : " + critical acc"));
	}
	diagnosis_diff_free(diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_advice_of_the_errno),
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_what_was_looked_at),
		cmocka_unit_test(test_coming_and_going),
	};

	return cmocka_run_group_tests(tests, NULL, printed_end);
}
