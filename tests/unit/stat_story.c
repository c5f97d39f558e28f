// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stat_story.h"
#include "view/stat_json.h"

struct tcpdwell_stat_key story_process(uint8_t state, uint32_t pid, const char *comm)
{
	struct tcpdwell_stat_key key = { .state = state, .number = pid };

	memcpy(key.comm, comm, strlen(comm));
	return key;
}

void story_add(struct stat_table *table, struct tcpdwell_stat_key key, unsigned int cpu,
	       uint64_t dwell_ns, uint64_t times)
{
	unsigned int bucket = buckets_index(dwell_ns);
	struct tcpdwell_stat stat = { .max_ns = dwell_ns };

	key.cpu = cpu;
	key.chunk = bucket / TCPDWELL_STAT_BUCKETS;
	stat.counts[bucket % TCPDWELL_STAT_BUCKETS] = times;
	assert_int_equal(stat_table_add(table, &key, &stat), 0);
}

void story_add_at_least(struct stat_table *table, struct tcpdwell_stat_key key, uint64_t dwell_ns,
			uint64_t times)
{
	const struct tcpdwell_stat stat = { .max_ns = dwell_ns, .counts = { times } };

	key.chunk = TCPDWELL_STAT_AT_LEAST;
	assert_int_equal(stat_table_add(table, &key, &stat), 0);
}

struct stat_view story_view(void)
{
	struct tcpdwell_stat_key curl = story_process(TCPDWELL_ESTABLISHED, 10599, "curl");
	struct tcpdwell_stat_key nginx = story_process(TCPDWELL_ESTABLISHED, 9908, "nginx");
	struct stat_view view = {
		.table = stat_table_new(100, TCPDWELL_BY_PROCESS),
		.by = TCPDWELL_BY_PROCESS,
		.prefix4 = 24,
		.prefix6 = 64,
		.span_ns = 10000 * STORY_MS,
		.wall_ns = 1709251198000000000,
	};

	assert_non_null(view.table);
	story_add(view.table, curl, 0, 22 * STORY_MS, 290);
	story_add(view.table, curl, 1, 100 * STORY_MS, 10);
	story_add(view.table, nginx, 1, 22 * STORY_MS, 40);
	story_add_at_least(view.table, nginx, 3600 * 1000 * STORY_MS, 2);
	story_add(view.table, story_process(TCPDWELL_SYN_SENT, 10599, "curl"), 0, 126000, 300);
	story_add(view.table, story_process(TCPDWELL_TIME_WAIT, 0, ""), 0, 61600 * STORY_MS, 7);
	story_add(view.table, story_process(TCPDWELL_TIME_WAIT, 7, "\033[31m"), 0, 500, 1);
	return view;
}

char *story_json(const struct stat_view *view)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_int_equal(stat_json(out, view), 0);
	assert_int_equal(fclose(out), 0);
	stat_table_free(view->table);
	return text;
}
