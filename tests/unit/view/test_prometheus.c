// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Both formats, byte for byte: names and labels are a contract. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/export.h"
#include "view/prometheus.h"

static const char *const by_pod[EXPORT_LABELS] = { "pod", "namespace" };

static char *render(const struct export *export, bool openmetrics)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(prometheus_print(out, export, openmetrics), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static struct export *story(void)
{
	struct export *export = export_new(by_pod, 2000);
	const struct export_labels build = { .name = { "version" }, .value = { "1.2.3" } };
	struct tcpdwell_stat_key key = { .state = TCPDWELL_SYN_RECV };
	struct tcpdwell_stat stat = {};
	uint32_t web, odd;

	assert_non_null(export);
	export_look(export, 1);
	web = export_group(export, "web-0", "shop");
	odd = export_group(export, "a\"b\\c\nd\x1b\xff", "");
	export_add(export, EXPORT_CONNECTIONS, web, TCPDWELL_ESTABLISHED, 12);
	export_add(export, EXPORT_CONNECTIONS, odd, TCPDWELL_LISTEN, 1);
	export_add(export, EXPORT_CONNECTIONS, EXPORT_NO_ROOM, TCPDWELL_LISTEN, 2);
	export_add(export, EXPORT_CLOSES, web, TCPDWELL_REASON_NONE, 3);
	export_add(export, EXPORT_FAILURES, web, ECONNREFUSED, 4);
	export_max(export, EXPORT_OLDEST, web, TCPDWELL_ESTABLISHED, 1.25);
	export_max(export, EXPORT_BUILD, export_named(export, &build), 0, 1);
	export_add(export, EXPORT_MISSED, EXPORT_NOBODY, 0, 0);
	key.chunk = buckets_index(1ULL << 20) / TCPDWELL_STAT_BUCKETS;
	stat.counts[0] = 2;
	export_sum(export, web, &key, &stat);
	return export;
}

/* The end of both formats has long texts about each metric, so only the beginning is compared. */
static void assert_begins(const char *text, const char *wanted)
{
	char *begin = strndup(text, strlen(wanted));

	assert_string_equal(begin, wanted);
	free(begin);
}

static void test_text(void **state)
{
	struct export *export = story();
	char *got = render(export, false);

	(void)state;
	assert_begins(
		got,
		"# HELP tcpdwell_connections TCP sockets that exist, by state.\n"
		"# TYPE tcpdwell_connections gauge\n"
		"tcpdwell_connections{state=\"LISTEN\",pod=\"a\\\"b\\\\x5cc\\\\x0a"
		"d\\\\x1b\\\\xff\","
		"namespace=\"\"} 1\n"
		"tcpdwell_connections{state=\"LISTEN\",pod=\"other\",namespace=\"other\"} 2\n"
		"tcpdwell_connections{state=\"ESTABLISHED\",pod=\"web-0\",namespace=\"shop\"} 12\n"
		"# HELP tcpdwell_state_dwell_seconds Time that connections were in a state, when "
		"they left it.\n"
		"# TYPE tcpdwell_state_dwell_seconds histogram\n"
		"tcpdwell_state_dwell_seconds_bucket{state=\"SYN_RECV\",pod=\"web-0\",namespace="
		"\"shop\",le=\"6.5536e-05\"} 0\n"
		"tcpdwell_state_dwell_seconds_bucket{state=\"SYN_RECV\",pod=\"web-0\",namespace="
		"\"shop\",le=\"0.000262144\"} 0\n"
		"tcpdwell_state_dwell_seconds_bucket{state=\"SYN_RECV\",pod=\"web-0\",namespace="
		"\"shop\",le=\"0.001048576\"} 0\n"
		"tcpdwell_state_dwell_seconds_bucket{state=\"SYN_RECV\",pod=\"web-0\",namespace="
		"\"shop\",le=\"0.004194304\"} 2\n");
	assert_non_null(
		strstr(got, "tcpdwell_state_dwell_seconds_bucket{state=\"SYN_RECV\",pod=\"web-0\","
			    "namespace=\"shop\",le=\"70368.744177664\"} 2\n"
			    "tcpdwell_state_dwell_seconds_bucket{state=\"SYN_RECV\",pod=\"web-0\","
			    "namespace=\"shop\",le=\"+Inf\"} 2\n"
			    "tcpdwell_state_dwell_seconds_sum{state=\"SYN_RECV\",pod=\"web-0\","
			    "namespace=\"shop\"} 0.00212992\n"
			    "tcpdwell_state_dwell_seconds_count{state=\"SYN_RECV\",pod=\"web-0\","
			    "namespace=\"shop\"} 2\n"
			    "# HELP tcpdwell_handshake_seconds Time that handshakes took which "
			    "succeeded.\n"));
	assert_non_null(strstr(
		got, "# TYPE tcpdwell_closes_total counter\n"
		     "tcpdwell_closes_total{reason=\"unknown\",pod=\"web-0\",namespace=\"shop\"} "
		     "3\n"));
	assert_non_null(strstr(got, "tcpdwell_connect_failures_total{errno=\"ECONNREFUSED\",pod="
				    "\"web-0\",namespace=\"shop\"} 4\n"));
	assert_non_null(strstr(got, "tcpdwell_oldest_seconds{state=\"ESTABLISHED\",pod=\"web-0\","
				    "namespace=\"shop\"} 1.25\n"));
	assert_non_null(strstr(got, "# TYPE tcpdwell_missed_total counter\n"
				    "tcpdwell_missed_total 0\n"));
	assert_non_null(strstr(got, "# TYPE tcpdwell_build_info gauge\n"
				    "tcpdwell_build_info{version=\"1.2.3\"} 1\n"));
	assert_non_null(
		strstr(got, "tcpdwell_metric_series{metric=\"tcpdwell_closes_total\"} 1\n"));
	assert_non_null(strstr(
		got, "tcpdwell_beyond_max_series_total{metric=\"tcpdwell_connections\"} 1\n"));
	assert_null(strstr(got, "# UNIT"));
	assert_null(strstr(got, "# EOF"));
	free(got);
	export_free(export);
}

static void test_openmetrics(void **state)
{
	struct export *export = story();
	char *got = render(export, true);

	(void)state;
	assert_non_null(strstr(got, "# HELP tcpdwell_closes Sockets that reached CLOSE, by "
				    "reason.\n"
				    "# TYPE tcpdwell_closes counter\n"
				    "tcpdwell_closes_total{reason=\"unknown\","));
	assert_non_null(strstr(got, "# TYPE tcpdwell_state_dwell_seconds histogram\n"
				    "# UNIT tcpdwell_state_dwell_seconds seconds\n"));
	assert_non_null(strstr(got, "# TYPE tcpdwell_build info\n"
				    "tcpdwell_build_info{version=\"1.2.3\"} 1\n"));
	assert_string_equal(got + strlen(got) - 6, "# EOF\n");
	free(got);
	export_free(export);
}

static int count_unit(void *context, const struct export_series *series)
{
	(void)series;
	++*(unsigned int *)context;
	return 0;
}

/* Checks what promtool asks for, so that a metric that is added has it, too. */
static void test_names(void **state)
{
	struct export *export = story();
	unsigned int series = 0, bounded = 0;

	(void)state;
	for (unsigned int i = 0; i < EXPORT_METRICS; i++) {
		const struct export_metric_def *def = &export_metric_table[i];
		size_t len = strlen(def->name), unit = def->unit ? strlen(def->unit) : 0;

		bounded += def->bounded;
		assert_true(!strncmp(def->name, "tcpdwell_", 9));
		assert_null(strstr(def->name, "_total"));
		assert_true(def->help[strlen(def->help) - 1] == '.');
		assert_null(strpbrk(def->help, "\\\"\n"));
		if (def->unit)
			assert_string_equal(def->name + len - unit, def->unit);
	}
	assert_int_equal(export_each(export, count_unit, &series), 0);
	/* For each bounded metric there is how many series it has, and how many found no room. */
	assert_int_equal(series, 10 + 2 * bounded);
	export_free(export);
}

/* Both formats made at once are, taken apart, the same as each made by itself. */
static void test_both(void **state)
{
	struct export *export = story();
	char *text = render(export, false), *openmetrics = render(export, true), *both = NULL;
	struct prometheus_part parts[PROMETHEUS_PARTS];
	size_t len, of_text = 0, of_openmetrics = 0, at = 0;
	FILE *out = open_memstream(&both, &len);
	int count = prometheus_print_both(out, export, parts);

	(void)state;
	assert_int_equal(fclose(out), 0);
	assert_true(count > 5 && count <= PROMETHEUS_PARTS);
	for (int i = 0; i < count; i++) {
		size_t head = parts[i].text_end - at;
		size_t rest = parts[i].samples_end - parts[i].openmetrics_end;
		size_t other = parts[i].samples_end - parts[i].text_end;

		assert_memory_equal(text + of_text, both + at, head);
		assert_memory_equal(text + of_text + head, both + parts[i].openmetrics_end, rest);
		assert_memory_equal(openmetrics + of_openmetrics, both + parts[i].text_end, other);
		of_text += head + rest;
		of_openmetrics += other;
		at = parts[i].samples_end;
	}
	assert_string_equal(both + at, "# EOF\n");
	assert_int_equal(of_text, strlen(text));
	assert_int_equal(of_openmetrics + strlen("# EOF\n"), strlen(openmetrics));
	free(both);
	free(openmetrics);
	free(text);
	export_free(export);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_openmetrics),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
