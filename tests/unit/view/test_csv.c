// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* CSV, against text written by hand from the contract and RFC 4180. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
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

#define HEADER                                                                                  \
	"type,time,mono_ns,cookie,netns,family,laddr,lport,raddr,rport,from,to,dwell_ns,dwell," \
	"pid,comm,uid,cgroup,owner,reason,errno,source,holders,dwell_error_ns,"                 \
	"unit,container,container_id,pod,pod_namespace,netns_name\n"

static void assert_csv(const struct sample *sample, const struct tcpdwell_transition *t,
		       const char *want)
{
	char *got = sample_render(sink_csv_new, &sample->style, t, 1, NULL);

	assert_memory_equal(got, HEADER, strlen(HEADER));
	assert_string_equal(got + strlen(HEADER), want);
	free(got);
}

static void test_row(void **state)
{
	struct tcpdwell_transition t = sample_row();

	assert_csv(*state, &t,
		   "transition,2024-02-29T23:59:58.000000345Z,12000000345,4097,4026531840,ipv4,"
		   "192.0.2.1,443,198.51.100.7,50000,ESTABLISHED,CLOSE_WAIT,3200000,exact,"
		   "1234,nginx,33,,accept,,,tracepoint,,0,,,,,,\n");
}

static void test_unknown(void **state)
{
	struct tcpdwell_transition t = sample_row();

	t.cookie = 0;
	t.netns = 0;
	t.lport = 0;
	t.rport = 0;
	t.dwell = TCPDWELL_DWELL_UNKNOWN;
	t.owner = TCPDWELL_OWNER_NONE;
	t.uid = UINT32_MAX;
	assert_csv(*state, &t,
		   "transition,2024-02-29T23:59:58.000000345Z,12000000345,,,ipv4,"
		   "192.0.2.1,,198.51.100.7,,ESTABLISHED,CLOSE_WAIT,,unknown,"
		   ",,,,,,,tracepoint,,,,,,,,\n");
}

static void test_close_ipv6(void **state)
{
	struct tcpdwell_transition t = sample_row();
	const uint8_t any[16] = {}, local[16] = { [15] = 1 };

	t.family = 6;
	memcpy(t.laddr, local, 16);
	memcpy(t.raddr, any, 16);
	t.from = TCPDWELL_LISTEN;
	t.to = TCPDWELL_CLOSE;
	t.dwell = TCPDWELL_DWELL_AT_LEAST;
	t.reason = TCPDWELL_REASON_UNREACHABLE;
	t.err = ENETUNREACH;
	t.holders = 3;
	assert_csv(*state, &t,
		   "transition,2024-02-29T23:59:58.000000345Z,12000000345,4097,4026531840,ipv6,"
		   "::1,443,::,50000,LISTEN,CLOSE,3200000,at_least,"
		   "1234,nginx,33,,accept,unreachable,ENETUNREACH,tracepoint,3,,,,,,,\n");
	t.err = 4095;
	t.reason = TCPDWELL_REASON_NONE;
	assert_csv(*state, &t,
		   "transition,2024-02-29T23:59:58.000000345Z,12000000345,4097,4026531840,ipv6,"
		   "::1,443,::,50000,LISTEN,CLOSE,3200000,at_least,"
		   "1234,nginx,33,,accept,,E4095,tracepoint,3,,,,,,,\n");
}

static void test_comm(void **state)
{
	static const char *const cases[][2] = {
		{ "a,b", ",\"a,b\"," },	       { "a\"b", ",\"a\"\"b\"," }, { "a\nb", ",a\\x0ab," },
		{ "\x1b[31m", ",\\x1b[31m," }, { "=1+2", ",\\x3d1+2," },   { "-x", ",\\x2dx," },
		{ "", ",1234,,33," },
	};
	const struct sample *sample = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tcpdwell_transition t = sample_row();
		char *got;

		memset(t.comm, 0, sizeof(t.comm));
		strcpy(t.comm, cases[i][0]);
		got = sample_render(sink_csv_new, &sample->style, &t, 1, NULL);
		assert_non_null(strstr(got, cases[i][1]));
		free(got);
	}
}

/* The columns have the names of the JSON lines, in the same order. */
static void test_names_of_json(void **state)
{
	const struct sample *sample = *state;
	const struct tcpdwell_transition t = sample_row();
	char *json = sample_render(sink_json_new, &sample->style, &t, 1, NULL);
	char header[] = HEADER, name[40];
	const char *at = json;

	for (char *column = strtok(header, ",\n"); column; column = strtok(NULL, ",\n")) {
		snprintf(name, sizeof(name), "%c\"%s\":", at == json ? '{' : ',', column);
		at = strstr(at, name);
		assert_non_null(at);
		at++;
	}
	/* And none is missing. */
	assert_null(strstr(at, ",\""));
	free(json);
}

static void test_every_pair_of_states(void **state)
{
	const struct sample *sample = *state;
	struct tcpdwell_transition t = sample_row();
	char want[64];

	for (t.from = 1; t.from < TCPDWELL_STATE_MAX; t.from++) {
		for (t.to = 1; t.to < TCPDWELL_STATE_MAX; t.to++) {
			char *got = sample_render(sink_csv_new, &sample->style, &t, 1, NULL);

			snprintf(want, sizeof(want), ",50000,%s,%s,3200000,", tcpstate_name(t.from),
				 tcpstate_name(t.to));
			assert_non_null(strstr(got, want));
			free(got);
		}
	}
}

/* The summary is no row. */
static void test_summary(void **state)
{
	const struct sample *sample = *state;
	const struct summary summary = { .seen = 1 };
	char *got = sample_render(sink_csv_new, &sample->style, NULL, 0, &summary);

	assert_string_equal(got, HEADER);
	free(got);
}

static void test_full_disk(void **state)
{
	const struct sample *sample = *state;
	const struct tcpdwell_transition t = sample_row();
	struct style style = sample->style;
	struct sink *sink;
	int fd = open("/dev/full", O_WRONLY);

	if (fd < 0)
		skip();
	style.text = text_new(fd, TEXT_ROWS_BYTES, NULL);
	sink = sink_csv_new(&style);
	assert_int_equal(sink->ops->start(sink), -ENOSPC);
	assert_int_equal(sink->ops->event(sink, &t, NULL), -ENOSPC);
	sink->ops->free(sink);
	text_free(style.text);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, sample_set_up, sample_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_row),	    TEST(test_unknown),	      TEST(test_close_ipv6),
		TEST(test_comm),    TEST(test_names_of_json), TEST(test_every_pair_of_states),
		TEST(test_summary), TEST(test_full_disk),
	};

	return cmocka_run_group_tests_name("sink_csv", tests, NULL, NULL);
}
