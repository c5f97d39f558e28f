// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The series of `export`: what is kept, what is dropped, and that there are never too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/export.h"

#define SECOND 1000000000ULL

/* Room for the group `other` of each metric, and for some more. */
#define SERIES 500

static const char *const by_comm[EXPORT_LABELS] = { "comm" };

static struct export *begin(uint32_t max_series)
{
	struct export *export = export_new(by_comm, max_series);

	assert_non_null(export);
	export_look(export, SECOND);
	return export;
}

/* What is looked for, and what was found. */
struct sought {
	enum export_metric metric;
	const char *label; /* value of the first label; NULL: none */
	uint32_t part;
	unsigned int found;
	double value;
	struct export_dwells dwells;
	unsigned int of_metric; /* all series of the metric */
};

static int seek(void *context, const struct export_series *series)
{
	struct sought *sought = context;
	const char *label = series->labels->name[0] ? series->labels->value[0] : NULL;

	if (series->metric != sought->metric)
		return 0;
	sought->of_metric++;
	if (series->part != sought->part || !label != !sought->label ||
	    (label && strcmp(label, sought->label) != 0))
		return 0;
	sought->found++;
	sought->value = series->value;
	if (series->dwells)
		sought->dwells = *series->dwells;
	return 0;
}

static struct sought find(const struct export *export, enum export_metric metric, const char *label,
			  uint32_t part)
{
	struct sought sought = { .metric = metric, .label = label, .part = part };

	assert_int_equal(export_each(export, seek, &sought), 0);
	assert_true(sought.found <= 1);
	return sought;
}

/* Adds an element as the kernel side has it: @count rows with a dwell of @ns. */
static void sum(struct export *export, const char *comm, uint8_t state, unsigned int end,
		uint64_t ns, uint64_t count)
{
	unsigned int bucket = buckets_index(ns);
	struct tcpdwell_stat_key key = {
		.state = state,
		.chunk = bucket / TCPDWELL_STAT_BUCKETS,
		.number = end << TCPDWELL_STAT_END_SHIFT,
	};
	struct tcpdwell_stat stat = {};

	stat.counts[bucket % TCPDWELL_STAT_BUCKETS] = count;
	assert_int_equal(export_sum(export, export_group(export, comm, NULL), &key, &stat), count);
}

static void test_counters_go_on_and_gauges_begin_anew(void **state)
{
	struct export *export = begin(2000);
	uint32_t nginx = export_group(export, "nginx", NULL);

	(void)state;
	export_add(export, EXPORT_CONNECTIONS, nginx, TCPDWELL_LISTEN, 3);
	export_add(export, EXPORT_CLOSES, nginx, TCPDWELL_REASON_FIN, 5);
	export_max(export, EXPORT_OLDEST, nginx, TCPDWELL_LISTEN, 7);
	export_max(export, EXPORT_OLDEST, nginx, TCPDWELL_LISTEN, 6);
	assert_true(find(export, EXPORT_OLDEST, "nginx", TCPDWELL_LISTEN).value == 7);
	export_look(export, 2 * SECOND);
	nginx = export_group(export, "nginx", NULL);
	export_add(export, EXPORT_CLOSES, nginx, TCPDWELL_REASON_FIN, 1);
	assert_true(find(export, EXPORT_CONNECTIONS, "nginx", TCPDWELL_LISTEN).value == 0);
	assert_int_equal(find(export, EXPORT_CONNECTIONS, "nginx", TCPDWELL_LISTEN).found, 1);
	assert_true(find(export, EXPORT_CLOSES, "nginx", TCPDWELL_REASON_FIN).value == 6);
	/* A state without sockets has no oldest socket. */
	assert_int_equal(find(export, EXPORT_OLDEST, "nginx", TCPDWELL_LISTEN).found, 0);
	export_free(export);
}

static void test_sums_become_histograms(void **state)
{
	struct export *export = begin(2000);
	struct sought got;

	(void)state;
	sum(export, "curl", TCPDWELL_SYN_SENT, 0, 100, 2);		/* below the first bound */
	sum(export, "curl", TCPDWELL_SYN_SENT, 0, (1ULL << 16), 1);	/* at it */
	sum(export, "curl", TCPDWELL_SYN_SENT, 0, (1ULL << 18) - 1, 1); /* below the second */
	sum(export, "curl", TCPDWELL_SYN_SENT, 0, (1ULL << 46), 4);	/* beyond the last */
	sum(export, "curl", TCPDWELL_SYN_SENT, 1 + TCPDWELL_REASON_TIMEOUT, 60 * SECOND, 9);
	got = find(export, EXPORT_HANDSHAKE, "curl", EXPORT_CLIENT);
	assert_int_equal(got.dwells.counts[0], 2);
	assert_int_equal(got.dwells.counts[1], 2);
	assert_int_equal(got.dwells.counts[EXPORT_BOUNDS], 4);
	/* A failed attempt was in the state, but is no handshake. */
	got = find(export, EXPORT_DWELL, "curl", TCPDWELL_SYN_SENT);
	assert_int_equal(got.dwells.counts[10], 9);
	assert_true(got.dwells.sum_s > 9 * 60 && got.dwells.sum_s < 4 * 70400 + 9 * 61 + 4 * 1400);
	assert_true(find(export, EXPORT_CLOSES, "curl", TCPDWELL_REASON_TIMEOUT).value == 9);
	assert_int_equal(find(export, EXPORT_HANDSHAKE, "curl", EXPORT_SERVER).found, 0);
	export_free(export);
}

/* The wait for accept() is no state, and bytes are no rows. */
static void test_accept_and_bytes(void **state)
{
	struct export *export = begin(2000);
	const struct tcpdwell_stat_key key = { .state = TCPDWELL_STAT_CARRIED };
	struct tcpdwell_stat stat = { .counts = { 1000, 50, 3 } };
	uint32_t group = export_group(export, "nginx", NULL);

	(void)state;
	sum(export, "nginx", TCPDWELL_STAT_ACCEPT, 0, 5000000, 2);
	assert_int_equal(find(export, EXPORT_ACCEPT_WAIT, "nginx", 0).dwells.counts[4], 2);
	assert_int_equal(find(export, EXPORT_DWELL, "nginx", TCPDWELL_STAT_ACCEPT).of_metric, 0);
	assert_int_equal(export_sum(export, group, &key, &stat), 0);
	stat.counts[TCPDWELL_CARRIED_SENT] = 1;
	assert_int_equal(export_sum(export, group, &key, &stat), 0);
	assert_true(find(export, EXPORT_BYTES, "nginx", EXPORT_SENT).value == 1001);
	assert_true(find(export, EXPORT_BYTES, "nginx", EXPORT_RECEIVED).value == 100);
	assert_true(find(export, EXPORT_RETRANSMITTED, "nginx", 0).value == 6);
	export_free(export);
}

static void test_dwells_that_are_not_known(void **state)
{
	struct export *export = begin(2000);
	struct tcpdwell_stat_key key = {
		.state = TCPDWELL_ESTABLISHED,
		.chunk = TCPDWELL_STAT_UNDATED,
		.number = (1U + TCPDWELL_REASON_NONE) << TCPDWELL_STAT_END_SHIFT | 443,
	};
	const struct tcpdwell_stat stat = { .counts = { 3 } };
	uint32_t group = export_group(export, "443", NULL);

	(void)state;
	assert_int_equal(export_sum(export, group, &key, &stat), 3);
	key.chunk = TCPDWELL_STAT_AT_LEAST;
	key.number = 443;
	assert_int_equal(export_sum(export, group, &key, &stat), 3);
	assert_true(find(export, EXPORT_DWELL_UNKNOWN, "443", TCPDWELL_ESTABLISHED).value == 6);
	assert_true(find(export, EXPORT_CLOSES, "443", TCPDWELL_REASON_NONE).value == 3);
	assert_int_equal(find(export, EXPORT_DWELL, "443", TCPDWELL_ESTABLISHED).found, 0);
	export_free(export);
}

static void add_many(struct export *export, unsigned int count)
{
	char name[16];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		export_add(export, EXPORT_CLOSES, export_group(export, name, NULL),
			   TCPDWELL_REASON_FIN, 1);
		sum(export, name, TCPDWELL_ESTABLISHED, 0, SECOND, 1);
	}
}

static double total(const struct export *export, unsigned int count)
{
	double all = find(export, EXPORT_CLOSES, "other", TCPDWELL_REASON_FIN).value;
	char name[16];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		all += find(export, EXPORT_CLOSES, name, TCPDWELL_REASON_FIN).value;
	}
	return all;
}

static void test_what_is_beyond_the_bound_goes_to_other(void **state)
{
	struct export *export = begin(SERIES);
	struct sought other;

	(void)state;
	add_many(export, 3000);
	assert_true(export_lines(export, EXPORT_CLOSES) <= SERIES);
	assert_true(export_lines(export, EXPORT_CLOSES) > SERIES - 30);
	assert_true(export_lines(export, EXPORT_DWELL) <= SERIES);
	assert_true(total(export, 3000) == 3000);
	other = find(export, EXPORT_CLOSES, "other", TCPDWELL_REASON_FIN);
	assert_true(other.value == (double)export_beyond(export, EXPORT_CLOSES));
	assert_true(other.value == 3000 - (other.of_metric - 1));
	other = find(export, EXPORT_DWELL, "other", TCPDWELL_ESTABLISHED);
	assert_int_equal(other.dwells.counts[7] + other.of_metric - 1, 3000);
	assert_int_equal(export_forgotten(export), 0);
	export_free(export);
}

static void test_group_that_is_gone_is_dropped(void **state)
{
	struct export *export = begin(SERIES);
	uint32_t stays;

	(void)state;
	add_many(export, 3000);
	export_look(export, SECOND + EXPORT_GONE_NS);
	stays = export_group(export, "p1", NULL);
	export_add(export, EXPORT_CLOSES, stays, TCPDWELL_REASON_FIN, 1);
	export_look(export, 2 * SECOND + EXPORT_GONE_NS);
	assert_int_equal(find(export, EXPORT_CLOSES, "p0", TCPDWELL_REASON_FIN).found, 0);
	assert_true(find(export, EXPORT_CLOSES, "p1", TCPDWELL_REASON_FIN).value == 2);
	/* `other` keeps what it has counted, and there is room again. */
	assert_true(find(export, EXPORT_CLOSES, "other", TCPDWELL_REASON_FIN).value > 2000);
	assert_int_equal(export_lines(export, EXPORT_CLOSES), 2);
	export_add(export, EXPORT_CLOSES, export_group(export, "new", NULL), TCPDWELL_REASON_FIN,
		   4);
	assert_true(find(export, EXPORT_CLOSES, "new", TCPDWELL_REASON_FIN).value == 4);
	export_free(export);
}

static void test_names_come_and_go_for_long(void **state)
{
	struct export *export = begin(SERIES);
	char name[16];

	(void)state;
	/* For a thousand hours: groups that are gone take no place. */
	for (unsigned int hour = 0; hour < 1000; hour++) {
		export_look(export, (hour + 1) * (EXPORT_GONE_NS + SECOND));
		for (unsigned int i = 0; i < 20; i++) {
			snprintf(name, sizeof(name), "%u-%u", hour, i);
			export_add(export, EXPORT_CLOSES, export_group(export, name, NULL),
				   TCPDWELL_REASON_FIN, 1);
		}
		assert_true(export_lines(export, EXPORT_CLOSES) <= 40);
	}
	assert_int_equal(export_beyond(export, EXPORT_CLOSES), 0);
	export_free(export);
}

/* Values by metric, group and part, as the last look showed them. */
struct shown {
	char name[96];
	double value;
	bool now;
};

static struct shown shown[4000];
static size_t shown_count;

static int compare_with_before(void *context, const struct export_series *series)
{
	const struct export_metric_def *def = &export_metric_table[series->metric];
	double value = series->value;
	char name[96];
	size_t i = 0;

	(void)context;
	for (unsigned int bound = 0; series->dwells && bound <= EXPORT_BOUNDS; bound++)
		value += series->dwells->counts[bound];
	if (def->kind != EXPORT_COUNTER && def->kind != EXPORT_HISTOGRAM)
		return 0;
	snprintf(name, sizeof(name), "%s %.40s %u", def->name,
		 series->labels->name[0] ? series->labels->value[0] : "", series->part);
	while (i < shown_count && strcmp(shown[i].name, name))
		i++;
	if (i == shown_count) {
		assert_true(shown_count < sizeof(shown) / sizeof(*shown));
		shown_count++;
		strcpy(shown[i].name, name);
		shown[i].value = 0;
	}
	assert_true(value >= shown[i].value);
	shown[i].value = value;
	shown[i].now = true;
	return 0;
}

/* A series that is not shown any more begins at 0 if it comes back. */
static void forget_what_is_gone(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < shown_count; i++) {
		if (shown[i].now)
			shown[kept++] = shown[i];
		shown[kept ? kept - 1 : 0].now = false;
	}
	shown_count = kept;
}

/* In two days of looks, groups come and go, and are more than there is room for. */
static void test_counters_never_go_back(void **state)
{
	struct export *export = begin(SERIES);
	uint64_t seed = 1, now_ns = SECOND;

	(void)state;
	shown_count = 0;
	for (unsigned int look = 0; look < 288; look++) {
		now_ns += 300 * SECOND;
		export_look(export, now_ns);
		for (unsigned int i = 0; i < 30; i++) {
			char name[16];

			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			snprintf(name, sizeof(name), "%u",
				 look / 8 * 10 + (unsigned int)(seed >> 59));
			sum(export, name, 1 + (seed >> 40) % (TCPDWELL_STATE_MAX - 1),
			    (seed >> 50) % 3, 1000000, 1 + (seed >> 33) % 5);
		}
		assert_int_equal(export_each(export, compare_with_before, NULL), 0);
		forget_what_is_gone();
		for (unsigned int m = 0; m < EXPORT_METRICS; m++)
			if (export_metric_table[m].bounded)
				assert_true(export_lines(export, m) <= SERIES);
	}
	assert_true(export_beyond(export, EXPORT_DWELL) > 0);
	export_free(export);
}

static void test_other_is_no_name(void **state)
{
	struct export *export = begin(2000);

	(void)state;
	/* Two series with one name would make the page invalid. */
	assert_int_equal(export_group(export, "other", NULL), EXPORT_OTHER);
	export_add(export, EXPORT_CLOSES, EXPORT_OTHER, TCPDWELL_REASON_FIN, 1);
	export_add(export, EXPORT_CLOSES, export_group(export, "other", NULL), TCPDWELL_REASON_FIN,
		   1);
	assert_true(find(export, EXPORT_CLOSES, "other", TCPDWELL_REASON_FIN).value == 2);
	export_free(export);
}

static void test_labels_of_their_own(void **state)
{
	struct export *export = begin(2000);
	const struct export_labels finding = {
		.name = { "id", "severity" },
		.value = { "scan", "note" },
	};
	uint32_t group = export_named(export, &finding);

	(void)state;
	assert_int_equal(export_named(export, &finding), group);
	export_add(export, EXPORT_FINDINGS, group, 0, 1);
	export_add(export, EXPORT_MISSED, EXPORT_NOBODY, 0, 2);
	assert_true(find(export, EXPORT_FINDINGS, "scan", 0).value == 1);
	assert_true(find(export, EXPORT_MISSED, NULL, 0).value == 2);
	/* A finding that is gone is 0 for a while, so that an alert ends. */
	export_look(export, 2 * SECOND);
	assert_int_equal(find(export, EXPORT_FINDINGS, "scan", 0).found, 1);
	assert_true(find(export, EXPORT_FINDINGS, "scan", 0).value == 0);
	export_free(export);
}

/* If there is no room for more than the group `other` may need, that group has all. */
static void test_too_few_series_for_groups(void **state)
{
	struct export *export = begin(1);
	uint32_t nginx = export_group(export, "nginx", NULL);

	(void)state;
	export_add(export, EXPORT_CLOSES, nginx, TCPDWELL_REASON_FIN, 5);
	export_add(export, EXPORT_QUEUE, nginx, 0, 2);
	sum(export, "nginx", TCPDWELL_SYN_SENT, 0, 100, 2);
	assert_true(find(export, EXPORT_CLOSES, "other", TCPDWELL_REASON_FIN).value == 5);
	assert_true(find(export, EXPORT_QUEUE, "other", 0).value == 2);
	assert_int_equal(find(export, EXPORT_DWELL, "other", TCPDWELL_SYN_SENT).found, 1);
	assert_int_equal(find(export, EXPORT_CLOSES, "nginx", TCPDWELL_REASON_FIN).found, 0);
	assert_int_equal(export_beyond(export, EXPORT_CLOSES), 1);
	export_free(export);
}

/* Options may want `other`, too; only what found no room is beyond the limit. */
static void test_what_is_beyond(void **state)
{
	struct export *export = begin(SERIES);

	(void)state;
	export_add(export, EXPORT_CLOSES, EXPORT_OTHER, TCPDWELL_REASON_FIN, 5);
	assert_int_equal(export_beyond(export, EXPORT_CLOSES), 0);
	export_add(export, EXPORT_CLOSES, EXPORT_NO_ROOM, TCPDWELL_REASON_FIN, 2);
	assert_int_equal(export_beyond(export, EXPORT_CLOSES), 1);
	assert_true(find(export, EXPORT_CLOSES, "other", TCPDWELL_REASON_FIN).value == 7);
	export_free(export);
}

/* What is shown of a name is cut. Two series that look the same would spoil the whole page. */
static void test_long_names(void **state)
{
	struct export *export = begin(SERIES);
	char first[EXPORT_VALUE_BYTES + 8], second[sizeof(first)];

	(void)state;
	memset(first, 'x', sizeof(first) - 1);
	first[sizeof(first) - 1] = '\0';
	memcpy(second, first, sizeof(second));
	second[sizeof(second) - 2] = 'y';
	export_add(export, EXPORT_QUEUE, export_group(export, first, NULL), 0, 2);
	export_add(export, EXPORT_QUEUE, export_group(export, second, NULL), 0, 3);
	first[EXPORT_VALUE_BYTES] = '\0';
	assert_true(find(export, EXPORT_QUEUE, first, 0).value == 5);
	assert_int_equal(export_lines(export, EXPORT_QUEUE), 1);
	export_free(export);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_go_on_and_gauges_begin_anew),
		cmocka_unit_test(test_sums_become_histograms),
		cmocka_unit_test(test_accept_and_bytes),
		cmocka_unit_test(test_counters_never_go_back),
		cmocka_unit_test(test_dwells_that_are_not_known),
		cmocka_unit_test(test_what_is_beyond_the_bound_goes_to_other),
		cmocka_unit_test(test_group_that_is_gone_is_dropped),
		cmocka_unit_test(test_names_come_and_go_for_long),
		cmocka_unit_test(test_other_is_no_name),
		cmocka_unit_test(test_labels_of_their_own),
		cmocka_unit_test(test_too_few_series_for_groups),
		cmocka_unit_test(test_what_is_beyond),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
