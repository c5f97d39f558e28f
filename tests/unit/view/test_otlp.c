// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Metrics as OTLP/JSON, byte for byte; and no line is longer than it may be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "model/export.h"
#include "view/otlp.h"

#define SECOND 1000000000ULL
#define EPOCH  1700000000ULL

/* The collector's own limit (fileconsumer's max_log_size). */
#define LINE_MAX_BYTES (1024 * 1024)

static const char *const by_port[EXPORT_LABELS] = { "port" };

/* Renders at 30 s of a run that began at 10 s, when the wall clock had @epoch_s. */
static char *render_at(const struct export *export, uint64_t epoch_s)
{
	int fd = memfd_create("otlp", 0);
	struct text *text = text_new(fd, TEXT_ROWS_BYTES, NULL);
	struct clock *clock = clock_new();
	const struct otlp_metrics metrics = {
		.host = "ho\"st",
		.clock = clock,
		.start_ns = 10 * SECOND,
		.start_wall_ns = (EPOCH + 10) * SECOND,
		.now_ns = 30 * SECOND,
	};
	off_t len;
	char *got;

	assert_non_null(text);
	assert_non_null(clock);
	clock_sample(clock, 0, epoch_s * SECOND, 0);
	assert_int_equal(otlp_metrics_print(text, export, &metrics), 0);
	assert_int_equal(text_flush(text), 0);
	len = lseek(fd, 0, SEEK_END);
	got = calloc(1, len + 1);
	assert_int_equal(pread(fd, got, len, 0), len);
	text_free(text);
	clock_free(clock);
	close(fd);
	return got;
}

static char *render(const struct export *export)
{
	return render_at(export, EPOCH);
}

static void assert_has(const char *text, const char *wanted)
{
	if (!strstr(text, wanted))
		fail_msg("not there: %s\nin: %.3000s", wanted, text);
}

static void test_points(void **state)
{
	struct export *export = export_new(by_port, 2000);
	struct tcpdwell_stat_key key = { .state = TCPDWELL_SYN_RECV };
	struct tcpdwell_stat stat = {};
	uint32_t web, odd;
	char *got;

	(void)state;
	assert_non_null(export);
	export_look(export, 20 * SECOND);
	web = export_group(export, "443", NULL);
	export_add(export, EXPORT_CONNECTIONS, web, TCPDWELL_FIN_WAIT1, 12);
	export_add(export, EXPORT_CONNECTIONS, EXPORT_OTHER, TCPDWELL_LISTEN, 2);
	export_look(export, 30 * SECOND);
	odd = export_group(export, "", NULL);
	export_add(export, EXPORT_CONNECTIONS, web, TCPDWELL_FIN_WAIT1, 12);
	export_add(export, EXPORT_FAILURES, odd, ECONNREFUSED, 4);
	export_max(export, EXPORT_OLDEST, web, TCPDWELL_SYN_RECV, 1.25);
	export_add(export, EXPORT_BYTES, web, EXPORT_SENT, 7);
	key.chunk = buckets_index(1ULL << 20) / TCPDWELL_STAT_BUCKETS;
	stat.counts[0] = 2;
	export_sum(export, web, &key, &stat);
	got = render(export);
	assert_int_equal(strncmp(got,
				 "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":"
				 "\"host.name\",\"value\":{\"stringValue\":\"ho\\\"st\"}},",
				 100),
			 0);
	assert_has(got, "{\"name\":\"tcpdwell.connections\",\"description\":\"TCP sockets that "
			"exist, by state.\",\"unit\":\"\",\"gauge\":{\"dataPoints\":[");
	assert_has(got, "{\"attributes\":[{\"key\":\"network.connection.state\",\"value\":{"
			"\"stringValue\":\"fin_wait_1\"}},{\"key\":\"server.port\",\"value\":{"
			"\"intValue\":\"443\"}}],\"timeUnixNano\":\"1700000030000000000\","
			"\"asInt\":\"12\"}");
	/* A group that others share has no port. */
	assert_has(got, "{\"key\":\"tcpdwell.port\",\"value\":{\"stringValue\":\"other\"}}");
	assert_has(got, "\"tcpdwell.oldest\",\"description\":\"Least time that the oldest one is "
			"in its state.\",\"unit\":\"s\",\"gauge\":");
	assert_has(got, "\"stringValue\":\"syn_received\"}},{\"key\":\"server.port\",\"value\":{"
			"\"intValue\":\"443\"}}],\"timeUnixNano\":\"1700000030000000000\","
			"\"asDouble\":1.25}");
	/* A series that is known since the second look had counted nothing at the first. */
	assert_has(got, "{\"attributes\":[{\"key\":\"error.type\",\"value\":{\"stringValue\":"
			"\"ECONNREFUSED\"}}],\"startTimeUnixNano\":\"1700000020000000000\","
			"\"timeUnixNano\":\"1700000030000000000\",\"asInt\":\"4\"}");
	assert_has(got, "{\"name\":\"tcpdwell.bytes\",\"description\":\"Data that connections "
			"carried, each byte once.\",\"unit\":\"By\",\"sum\":{"
			"\"aggregationTemporality\":2,\"isMonotonic\":true,\"dataPoints\":[");
	assert_has(got, "\"startTimeUnixNano\":\"1700000010000000000\",\"timeUnixNano\":"
			"\"1700000030000000000\",\"count\":\"2\",\"sum\":");
	assert_has(got, "\"bucketCounts\":[\"0\",\"0\",\"0\",\"2\",\"0\",");
	assert_has(got, "\"explicitBounds\":[6.5536e-05,0.000262144,");
	assert_string_equal(got + strlen(got) - 6, "]}]}]}\n" + 1);
	free(got);
	export_free(export);
}

/* The start of a stream stays the same when the wall clock is set forward by an hour. */
static void test_start_stays(void **state)
{
	struct export *export = export_new(by_port, 2000);
	char *got;

	(void)state;
	assert_non_null(export);
	export_look(export, 20 * SECOND);
	export_look(export, 30 * SECOND);
	export_add(export, EXPORT_CLOSES, export_group(export, "443", NULL), TCPDWELL_REASON_FIN,
		   1);
	export_add(export, EXPORT_SYN_COOKIES, EXPORT_NOBODY, 0, 1);
	got = render_at(export, EPOCH + 3600);
	assert_has(got, "\"startTimeUnixNano\":\"1700000010000000000\",\"timeUnixNano\":"
			"\"1700003630000000000\"");
	assert_has(got, "\"startTimeUnixNano\":\"1700000020000000000\",\"timeUnixNano\":"
			"\"1700003630000000000\"");
	free(got);
	export_free(export);
}

/* Each line is whole, and together they have everything. */
static void test_lines(void **state)
{
	const unsigned int groups = 9000;
	struct export *export = export_new(by_port, 100000);
	unsigned int lines = 0, points = 0;
	char *got;

	(void)state;
	export_look(export, 20 * SECOND);
	for (unsigned int i = 1; i <= groups; i++) {
		char port[8];

		snprintf(port, sizeof(port), "%u", i);
		export_add(export, EXPORT_CONNECTIONS, export_group(export, port, NULL),
			   TCPDWELL_LISTEN, 1);
	}
	got = render(export);
	for (char *line = got, *end; *line; line = end + 1, lines++) {
		end = strchr(line, '\n');
		assert_non_null(end);
		assert_true(end - line < LINE_MAX_BYTES);
		assert_int_equal(strncmp(line, "{\"resourceMetrics\":[", 20), 0);
		assert_int_equal(strncmp(end - 6, "]}]}]}", 6), 0);
		for (char *p = line; (p = strstr(p, "server.port")) && p < end; p++)
			points++;
	}
	assert_true(lines > 2);
	assert_int_equal(points, groups);
	free(got);
	export_free(export);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points),
		cmocka_unit_test(test_start_stays),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
