// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Rows and sums in one capture. The kernel side sends each transition and also sums it, until
 * standard input ends. This then prints the report of `stat` twice, first out of the rows, then out
 * of the sums, and a line of what was counted. No command needs both yet, so this is a program of
 * the tests. It looks at its own network namespace only: until the end nobody runs the flush, so
 * the connections of a busy host would have no room to wait for their ports.
 *
 *	both process|comm|lport|rport|prefix|cgroup|state PORT
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/parse.h"
#include "kernel/capture.h"
#include "kernel/loader.h"
#include "kernel/source_ring.h"
#include "kernel/source_stat.h"
#include "model/stat_rows.h"
#include "view/stat_json.h"

#define RING_BYTES (1U << 20)
#define PREFIX4	   24
#define PREFIX6	   64

static const char *const groupings[] = {
	[TCPDWELL_BY_PROCESS] = "process", [TCPDWELL_BY_COMM] = "comm",
	[TCPDWELL_BY_LPORT] = "lport",	   [TCPDWELL_BY_RPORT] = "rport",
	[TCPDWELL_BY_PREFIX] = "prefix",   [TCPDWELL_BY_CGROUP] = "cgroup",
	[TCPDWELL_BY_STATE] = "state",
};

struct both {
	struct stat_grouping grouping;
	struct stat_table *rows;
	struct stat_table *sums;
	unsigned long taken; /* rows */
};

static int grouping_of(const char *name)
{
	for (unsigned int i = 0; i < sizeof(groupings) / sizeof(*groupings); i++)
		if (groupings[i] && !strcmp(groupings[i], name))
			return i;
	return -1;
}

static int take_row(void *context, const struct event *event)
{
	struct both *both = context;
	struct tcpdwell_stat_key key;
	struct tcpdwell_stat sum;

	if (event->kind != EVENT_TRANSITION)
		return -EBADMSG;
	both->taken++;
	if (!stat_row_sum(&both->grouping, event->transition, &key, &sum))
		return 0;
	return stat_table_add(both->rows, &key, &sum);
}

static int take_sum(void *context, const struct event *event)
{
	struct both *both = context;

	return stat_table_add(both->sums, event->sum.key, event->sum.value);
}

static int report(const struct both *both, struct stat_table *table)
{
	const struct stat_view view = {
		.table = table,
		.by = both->grouping.by,
		.prefix4 = PREFIX4,
		.prefix6 = PREFIX6,
	};

	return stat_json(stdout, &view);
}

/* Takes rows until standard input ends; after that nothing new comes. */
static int watch(struct loader *loader, struct source_ring *source)
{
	char byte;

	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, sizeof(byte)) > 0)
		;
	loader_detach(loader);
	while (loader_flush(loader, 0) > 0)
		;
	return source_ring_consume(source) < 0 ? -EIO : 0;
}

static int run(struct both *both, struct loader *loader)
{
	int rings[LOADER_RINGS];
	struct source_ring *source = source_ring_new(rings, loader_rings(loader, rings), take_row,
						     both);
	struct tcpdwell_counters counted;
	int fd, err = source ? watch(loader, source) : -errno;

	fd = err ? err : loader_stat_turn(loader);
	err = fd < 0 ? fd : source_stat_take(fd, take_sum, both);
	err = err ?: report(both, both->rows) ?: report(both, both->sums);
	loader_counters(loader, &counted);
	printf("{\"seen\":%llu,\"emitted\":%llu,\"filtered\":%llu,\"lost\":%llu,\"taken\":%lu,"
	       "\"sums_lost\":%llu}\n",
	       (unsigned long long)counted.seen, (unsigned long long)counted.emitted,
	       (unsigned long long)counted.filtered,
	       (unsigned long long)(counted.lost_ring + counted.lost_map), both->taken,
	       (unsigned long long)loader_sums_lost(loader));
	source_ring_free(source);
	return err;
}

int main(int argc, char *argv[])
{
	const struct notice notice = {};
	struct capture capture = {
		.rows = true,
		.sums = { .wanted = true, .prefix4 = PREFIX4, .prefix6 = PREFIX6 },
		.cgroups = true,
		.ring_bytes = RING_BYTES,
		.filters.netns.path = "/proc/self/ns/net",
	};
	struct both both = { .grouping = { .prefix4 = PREFIX4, .prefix6 = PREFIX6 } };
	int by = argc == 3 ? grouping_of(argv[1]) : -1;
	struct failure failure = {};
	struct parse_fault fault;
	struct loader *loader;
	int err;

	if (by < 0 || parse_ports(argv[2], &capture.filters.ports, &fault))
		return 2;
	capture.sums.by = both.grouping.by = by;
	both.rows = stat_table_new(4096, by);
	both.sums = stat_table_new(4096, by);
	loader = both.rows && both.sums ? loader_new(&capture, &notice, &failure) : NULL;
	if (!loader || loader_attach(loader, &failure)) {
		fprintf(stderr, "both: %s\n", failure.text);
		return 3;
	}
	err = run(&both, loader);
	if (err)
		fprintf(stderr, "both: %s\n", strerror(-err));
	loader_free(loader);
	stat_table_free(both.rows);
	stat_table_free(both.sums);
	return err ? 1 : 0;
}
