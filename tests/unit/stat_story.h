/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of `stat` share: rows as the kernel side would sum them.
 */
#ifndef TCPDWELL_TEST_STAT_STORY_H
#define TCPDWELL_TEST_STAT_STORY_H

#include "view/stat_view.h"

#define STORY_MS 1000000ULL

/* Returns a key of @state by process; @pid 0 is an unknown process. */
struct tcpdwell_stat_key story_process(uint8_t state, uint32_t pid, const char *comm);

/* Adds @times rows of @dwell_ns, as processor @cpu sums them. Fails the test on any error. */
void story_add(struct stat_table *table, struct tcpdwell_stat_key key, unsigned int cpu,
	       uint64_t dwell_ns, uint64_t times);

/* As story_add(), but the dwell of these rows is a lower bound. */
void story_add_at_least(struct stat_table *table, struct tcpdwell_stat_key key, uint64_t dwell_ns,
			uint64_t times);

/* Returns the report of @view as JSON, which the caller frees. Also frees the table. */
char *story_json(const struct stat_view *view);

/*
 * Returns a view with curl (10599) and nginx (9908): three states, an unknown owner, a name to
 * escape. It covers the last ten seconds, which ended at 2024-02-29T23:59:58Z. The caller frees the
 * table.
 */
struct stat_view story_view(void);

#endif /* TCPDWELL_TEST_STAT_STORY_H */
