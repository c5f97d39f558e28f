// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* JSON lines, against text written by hand from the contract. */
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
#include <unistd.h>

#include <cmocka.h>

#include "base/tcpstate.h"
#include "base/text.h"
#include "sample.h"

#define NO_NAMES                                                               \
	"\"unit\":null,\"container\":null,\"container_id\":null,\"pod\":null," \
	"\"pod_namespace\":null,\"netns_name\":null}\n"

static void assert_json(const struct sample *sample, const struct tcpdwell_transition *t,
			const char *want)
{
	char *got = sample_render(sink_json_new, &sample->style, t, 1, NULL);

	assert_string_equal(got, want);
	free(got);
}

static void test_row(void **state)
{
	struct tcpdwell_transition t = sample_row();

	assert_json(*state, &t,
		    "{\"type\":\"transition\",\"time\":\"2024-02-29T23:59:58.000000345Z\","
		    "\"mono_ns\":12000000345,\"cookie\":4097,\"netns\":4026531840,"
		    "\"family\":\"ipv4\",\"laddr\":\"192.0.2.1\",\"lport\":443,"
		    "\"raddr\":\"198.51.100.7\",\"rport\":50000,"
		    "\"from\":\"ESTABLISHED\",\"to\":\"CLOSE_WAIT\","
		    "\"dwell_ns\":3200000,\"dwell\":\"exact\","
		    "\"pid\":1234,\"comm\":\"nginx\",\"uid\":33,\"cgroup\":null,"
		    "\"owner\":\"accept\",\"reason\":null,\"errno\":null,"
		    "\"source\":\"tracepoint\",\"holders\":null,\"dwell_error_ns\":0," NO_NAMES);
}

/* Every field that can be unknown is null, whatever stands in the record beside it. */
static void test_unknown(void **state)
{
	struct tcpdwell_transition t = sample_row();

	t.from = TCPDWELL_CLOSE;
	t.to = TCPDWELL_SYN_SENT;
	t.cookie = 0;
	t.netns = 0;
	t.lport = 0;
	t.rport = 0;
	t.dwell = TCPDWELL_DWELL_UNKNOWN;
	t.owner = TCPDWELL_OWNER_NONE;
	t.uid = UINT32_MAX;
	t.cgroup_id = 77;
	assert_json(*state, &t,
		    "{\"type\":\"transition\",\"time\":\"2024-02-29T23:59:58.000000345Z\","
		    "\"mono_ns\":12000000345,\"cookie\":null,\"netns\":null,"
		    "\"family\":\"ipv4\",\"laddr\":\"192.0.2.1\",\"lport\":null,"
		    "\"raddr\":\"198.51.100.7\",\"rport\":null,"
		    "\"from\":\"CLOSE\",\"to\":\"SYN_SENT\","
		    "\"dwell_ns\":null,\"dwell\":\"unknown\","
		    "\"pid\":null,\"comm\":null,\"uid\":null,\"cgroup\":null,"
		    "\"owner\":null,\"reason\":null,\"errno\":null,"
		    "\"source\":\"tracepoint\",\"holders\":null,\"dwell_error_ns\":null," NO_NAMES);
}

static void test_close_ipv6(void **state)
{
	struct tcpdwell_transition t = sample_row();
	const uint8_t local[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	const uint8_t remote[16] = { 0x20, 0x01, 0x0d, 0xb8, [8] = 0xab, [15] = 0xcd };

	t.family = 6;
	memcpy(t.laddr, local, 16);
	memcpy(t.raddr, remote, 16);
	t.from = TCPDWELL_SYN_SENT;
	t.to = TCPDWELL_CLOSE;
	t.time_ns = UINT64_MAX;
	t.dwell_ns = UINT64_MAX;
	t.dwell = TCPDWELL_DWELL_AT_LEAST;
	t.cookie = UINT64_MAX;
	t.netns = UINT32_MAX;
	t.pid = UINT32_MAX;
	t.uid = 0;
	t.lport = 65535;
	t.rport = 1;
	t.owner = TCPDWELL_OWNER_CONNECT;
	t.reason = TCPDWELL_REASON_TIMEOUT;
	t.err = EHOSTUNREACH;
	t.source = TCPDWELL_SOURCE_REQUEST_SOCK;
	t.holders = 65535;
	assert_json(
		*state, &t,
		"{\"type\":\"transition\",\"time\":\"2024-02-29T23:59:45.999999999Z\","
		"\"mono_ns\":18446744073709551615,\"cookie\":18446744073709551615,"
		"\"netns\":4294967295,"
		"\"family\":\"ipv6\",\"laddr\":\"2001:db8::1\",\"lport\":65535,"
		"\"raddr\":\"2001:db8::ab00:0:0:cd\",\"rport\":1,"
		"\"from\":\"SYN_SENT\",\"to\":\"CLOSE\","
		"\"dwell_ns\":18446744073709551615,\"dwell\":\"at_least\","
		"\"pid\":4294967295,\"comm\":\"nginx\",\"uid\":0,\"cgroup\":null,"
		"\"owner\":\"connect\",\"reason\":\"timeout\",\"errno\":\"EHOSTUNREACH\","
		"\"source\":\"request_sock\",\"holders\":65535,\"dwell_error_ns\":null," NO_NAMES);
}

static void assert_has(const struct sample *sample, const struct tcpdwell_transition *t,
		       const char *part)
{
	char *got = sample_render(sink_json_new, &sample->style, t, 1, NULL);

	if (!strstr(got, part))
		fail_msg("no %s in %s", part, got);
	free(got);
}

/* A dwell measured in jiffies says by how much it may be off, in each record of its process. */
static void test_dwell_error(void **state)
{
	struct tcpdwell_transition t = sample_row();

	t.dwell_error = 80;
	assert_has(*state, &t, "\"holders\":null,\"dwell_error_ns\":8000000,");
	t.dwell_error = UINT8_MAX;
	assert_has(*state, &t, "\"dwell_error_ns\":25500000,");
	t.dwell = TCPDWELL_DWELL_AT_LEAST;
	assert_has(*state, &t, "\"dwell_error_ns\":null,");
}

static void test_every_pair_of_states(void **state)
{
	struct tcpdwell_transition t = sample_row();
	char want[64];

	for (t.from = 1; t.from < TCPDWELL_STATE_MAX; t.from++) {
		for (t.to = 1; t.to < TCPDWELL_STATE_MAX; t.to++) {
			snprintf(want, sizeof(want), "\"from\":\"%s\",\"to\":\"%s\",\"dwell_ns\":",
				 tcpstate_name(t.from), tcpstate_name(t.to));
			assert_has(*state, &t, want);
		}
	}
}

static void test_every_name(void **state)
{
	struct tcpdwell_transition t = sample_row();
	char want[64];

	t.to = TCPDWELL_CLOSE;
	for (t.reason = 1; t.reason < TCPDWELL_REASON_MAX; t.reason++) {
		snprintf(want, sizeof(want), ",\"reason\":\"%s\",\"errno\":null,",
			 reason_name(t.reason));
		assert_has(*state, &t, want);
	}
	t.reason = TCPDWELL_REASON_NONE;
	for (t.owner = 1; t.owner < TCPDWELL_OWNER_MAX; t.owner++) {
		snprintf(want, sizeof(want), ",\"owner\":\"%s\",\"reason\":", owner_name(t.owner));
		assert_has(*state, &t, want);
	}
	t.owner = TCPDWELL_OWNER_SCAN;
	t.source = TCPDWELL_SOURCE_TIMEWAIT_SOCK;
	assert_has(*state, &t, ",\"source\":\"timewait_sock\",");
	/* An errno without a name here still shows its number. */
	t.err = 4095;
	assert_has(*state, &t, ",\"errno\":\"E4095\",");
}

static void test_comm(void **state)
{
	struct tcpdwell_transition t = sample_row();

	strcpy(t.comm, "a\"\\\x1b[31m\n\xff\xc3\xa9");
	assert_has(*state, &t, ",\"comm\":\"a\\\"\\\\\\u001b[31m\\n\\ufffd\xc3\xa9\",");
	memset(t.comm, 0, sizeof(t.comm));
	assert_has(*state, &t, ",\"comm\":\"\",");
}

static void test_summary(void **state)
{
	const struct sample *sample = *state;
	const struct tcpdwell_transition t = sample_row();
	const struct summary summary = {
		.seen = 21,
		.printed = 1,
		.filtered = 2,
		.folded = 9,
		.lost_ring = 8,
		.lost_map = 10,
		.untracked = 5,
		.missed = UINT64_MAX,
		.unwritten = UINT64_MAX,
		.unknown = UINT64_MAX,
		.malformed = UINT64_MAX,
	};
	char *got = sample_render(sink_json_new, &sample->style, &t, 1, &summary);

	assert_string_equal(
		strchr(got, '\n') + 1,
		"{\"type\":\"summary\",\"seen\":21,\"printed\":1,\"filtered\":2,\"folded\":9,"
		"\"lost\":{\"ring\":8,\"map\":10},\"untracked\":5,"
		"\"missed\":18446744073709551615,"
		"\"unwritten\":18446744073709551615,"
		"\"unknown\":18446744073709551615,"
		"\"malformed\":18446744073709551615}\n");
	free(got);
}

/* Rows wait for a tick or a full buffer; then all are written, in order and whole. */
static void test_buffering(void **state)
{
	const struct sample *sample = *state;
	struct sink *sink = sink_json_new(&sample->style);
	struct tcpdwell_transition t = sample_row();
	unsigned int lines = 0;
	char *got, want[32];

	assert_int_equal(sink->ops->start(sink), 0);
	assert_int_equal(sink->ops->event(sink, &t, NULL), 0);
	assert_int_equal(lseek(text_fd(sample->style.text), 0, SEEK_CUR), 0);
	for (t.cookie = 1; t.cookie < 1000; t.cookie++)
		assert_int_equal(sink->ops->event(sink, &t, NULL), 0);
	assert_true(lseek(text_fd(sample->style.text), 0, SEEK_CUR) > 0);
	assert_int_equal(sink->ops->tick(sink), 0);
	sink->ops->free(sink);

	got = sample_read(text_fd(sample->style.text));
	for (char *line = strtok(got, "\n"); line; line = strtok(NULL, "\n")) {
		snprintf(want, sizeof(want), "\"cookie\":%u,", lines ? lines : 4097);
		assert_non_null(strstr(line, want));
		assert_int_equal(line[strlen(line) - 1], '}');
		lines++;
	}
	assert_int_equal(lines, 1000);
	free(got);
}

/* Runs a sink to its end on @fd and returns what its last call returned. */
static int finish_on(const struct sample *sample, int fd, int rows)
{
	const struct tcpdwell_transition t = sample_row();
	const struct summary summary = {};
	struct style style = sample->style;
	struct sink *sink;
	int err = 0;

	style.text = text_new(fd, TEXT_ROWS_BYTES, NULL);
	sink = sink_json_new(&style);
	for (int i = 0; i < rows && !err; i++)
		err = sink->ops->event(sink, &t, NULL);
	if (!err)
		err = sink->ops->tick(sink);
	assert_int_equal(sink->ops->finish(sink, &summary), err);
	sink->ops->free(sink);
	text_free(style.text);
	return err;
}

static void test_reader_gone(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(finish_on(*state, fds[1], 1), -EPIPE);
	assert_int_equal(finish_on(*state, fds[1], 1000), -EPIPE);
	close(fds[1]);
}

static void test_full_disk(void **state)
{
	int fd = open("/dev/full", O_WRONLY);

	if (fd < 0)
		skip();
	assert_int_equal(finish_on(*state, fd, 1), -ENOSPC);
	assert_int_equal(finish_on(*state, fd, 1000), -ENOSPC);
	close(fd);
}

static void test_free_of_null(void **state)
{
	const struct sample *sample = *state;
	struct sink *sink = sink_json_new(&sample->style);
	const struct sink_ops *ops = sink->ops;

	ops->free(sink);
	ops->free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sample_set_up, sample_tear_down)

static void test_names(void **state)
{
	static const struct named_cgroup cgroup = {
		.serial = 1,
		.path = "/x",
		.texts = { "x.service", "a\"b", "aaaa", "web", "prod" },
		.bytes = 64,
	};
	const struct sample *sample = *state;
	static const char want[] =
		"\"unit\":\"x.service\",\"container\":\"a\\\"b\",\"container_id\":\"aaaa\","
		"\"pod\":\"web\",\"pod_namespace\":\"prod\",\"netns_name\":\"blue\"}\n";
	const struct names names[] = { { &cgroup, "blue" }, { NULL, "red" }, { &cgroup, NULL } };
	struct tcpdwell_transition rows[3] = { sample_row(), sample_row(), sample_row() };
	char *got = sample_render_named(sink_json_new, &sample->style, rows, names, 3);
	const char *line = got;

	assert_non_null(strstr(line, "\"cgroup\":\"/x\","));
	line = strstr(line, "\"unit\":");
	assert_non_null(line);
	assert_int_equal(strncmp(line, want, strlen(want)), 0);
	line = strchr(line, '\n');
	assert_non_null(strstr(line, "\"cgroup\":null,"));
	line = strstr(line, "\"unit\":null,");
	assert_non_null(strstr(line, "\"pod_namespace\":null,\"netns_name\":\"red\"}\n"));
	line = strchr(line, '\n');
	assert_non_null(strstr(line, "\"unit\":\"x.service\","));
	assert_non_null(strstr(line, "\"pod_namespace\":\"prod\",\"netns_name\":null}\n"));
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),	 TEST(test_row),	 TEST(test_dwell_error),
		TEST(test_unknown),	 TEST(test_close_ipv6),	 TEST(test_every_pair_of_states),
		TEST(test_every_name),	 TEST(test_comm),	 TEST(test_summary),
		TEST(test_buffering),	 TEST(test_reader_gone), TEST(test_full_disk),
		TEST(test_free_of_null),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("sink_json", tests, NULL, NULL);
}
