// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Measures the user CPU time per row of each rendering. It decodes and formats synthetic rows and
 * writes them to a file, by default /dev/null. Prints the median of several runs in nanoseconds. It
 * counts user time only, since the kernel's work for the bytes depends on the file.
 *
 *	render [ROWS [FILE]]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/name_book.h"
#include "base/decode.h"
#include "base/text.h"
#include "view/sink.h"

#define RUNS	   7
#define ROWS	   1000000
#define MIX	   6144 /* different rows: whole lives, more than the caches hold */
#define STEPS	   6	/* rows of a life */
#define CONCURRENT 8	/* lives whose rows are interleaved */
#define PROCESSES  6	/* processes that own them */
#define BATCH	   256	/* rows between two ticks, as a busy ring delivers them */
#define CGROUP	   1	/* the id of the root cgroup, which every host has */
#define FIRST_NS   23581836000000ULL
#define STEP_NS	   10000 /* time between two rows */

struct rendering {
	const char *name;
	struct sink *(*make)(const struct style *style);
	bool wall_time;
	bool wide;
	uint8_t family;
};

static uint64_t user_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec * 1000000000ULL + usage.ru_utime.tv_usec * 1000ULL;
}

static void fill_addr(uint8_t addr[16], uint8_t family, unsigned int i)
{
	static const uint8_t ipv6[16] = { 0x20, 0x01, 0x0d, 0xb8, 0x85, 0xa3, [8] = 0x8a, 0x2e };

	if (family == 6) {
		memcpy(addr, ipv6, 16);
		addr[14] = i >> 8;
		addr[15] = i;
	} else {
		addr[0] = 10;
		addr[1] = i >> 4;
		addr[2] = i >> 2;
		addr[3] = i;
	}
}

/* Makes a row of connections that are opened and closed actively, some at a time. */
static void make_row(struct tcpdwell_transition *t, uint8_t family, unsigned int i)
{
	static const uint8_t path[STEPS + 1] = {
		TCPDWELL_CLOSE,	    TCPDWELL_SYN_SENT,	TCPDWELL_ESTABLISHED, TCPDWELL_FIN_WAIT1,
		TCPDWELL_FIN_WAIT2, TCPDWELL_TIME_WAIT, TCPDWELL_CLOSE,
	};
	unsigned int step = i / CONCURRENT % STEPS;
	unsigned int life = i / (CONCURRENT * STEPS) * CONCURRENT + i % CONCURRENT;

	memset(t, 0, sizeof(*t));
	t->kind = TCPDWELL_TRANSITION;
	t->size = sizeof(*t);
	t->from = path[step];
	t->to = path[step + 1];
	t->family = family;
	t->source = step == STEPS - 1 ? TCPDWELL_SOURCE_TIMEWAIT_SOCK : TCPDWELL_SOURCE_TRACEPOINT;
	t->dwell_ns = (i * 2654435761U) >> (i % 24);
	t->cookie = 78139557 + life;
	t->cgroup_id = CGROUP;
	t->netns = 4026531840U;
	t->pid = 21533 + life % PROCESSES;
	t->uid = 33;
	t->dwell = step ? TCPDWELL_DWELL_EXACT : TCPDWELL_DWELL_UNKNOWN;
	t->owner = TCPDWELL_OWNER_CONNECT;
	t->reason = step == STEPS - 1 ? TCPDWELL_REASON_TIMEWAIT_EXPIRED : TCPDWELL_REASON_NONE;
	t->lport = 1024 + life * 7919 % 60000;
	t->rport = 443;
	strcpy(t->comm, life & 1 ? "nginx" : "php-fpm8.2");
	fill_addr(t->laddr, family, 1);
	fill_addr(t->raddr, family, life);
}

/* Returns 0 or -errno. */
static int render(struct sink *sink, struct tcpdwell_transition *rows, struct name_book *book,
		  unsigned long count)
{
	const struct summary summary = { .seen = count, .printed = count };
	struct tcpdwell_transition t;
	struct names names;
	int err = sink->ops->start(sink);

	for (unsigned long i = 0; !err && i < count; i++) {
		struct tcpdwell_transition *row = &rows[i % MIX];

		row->time_ns = FIRST_NS + i * STEP_NS;
		if (decode_record(row, sizeof(*row), &t) != DECODED_TRANSITION)
			return -EBADMSG;
		name_book_find(book, t.cgroup_id, t.netns, t.time_ns, &names);
		err = sink->ops->event(sink, &t, &names);
		if (!err && i % BATCH == BATCH - 1)
			err = sink->ops->tick(sink);
	}
	return err ? err : sink->ops->finish(sink, &summary);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int measure(const struct rendering *rendering, const struct clock *clock,
		   struct name_book *book, int fd, unsigned long count)
{
	struct style style = {
		.text = text_new(fd, TEXT_ROWS_BYTES, NULL),
		.clock = clock,
		.wide = rendering->wide,
		.wall_time = rendering->wall_time,
	};
	static struct tcpdwell_transition rows[MIX];
	double ns[RUNS];

	if (!style.text)
		return -errno;
	for (unsigned int i = 0; i < MIX; i++)
		make_row(&rows[i], rendering->family, i);
	for (int run = 0; run < RUNS; run++) {
		struct sink *sink = rendering->make(&style);
		uint64_t begin = user_ns();
		int err;

		if (!sink)
			return -errno;
		if (lseek(fd, 0, SEEK_SET) < 0)
			errno = 0; /* a pipe: the bytes simply follow each other */
		err = render(sink, rows, book, count);
		ns[run] = (double)(user_ns() - begin) / count;
		sink->ops->free(sink);
		if (err)
			return err;
	}
	text_free(style.text);
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	printf("%-14s %6.0f ns/row (%.0f to %.0f)\n", rendering->name, ns[RUNS / 2], ns[0],
	       ns[RUNS - 1]);
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct rendering renderings[] = {
		{ .name = "table", .make = sink_table_new, .family = 4 },
		{ .name = "table -T", .make = sink_table_new, .family = 4, .wall_time = true },
		{ .name = "table ipv6", .make = sink_table_new, .family = 6 },
		{ .name = "table -w", .make = sink_table_new, .family = 4, .wide = true },
		{ .name = "json", .make = sink_json_new, .family = 4 },
		{ .name = "json ipv6", .make = sink_json_new, .family = 6 },
		{ .name = "csv", .make = sink_csv_new, .family = 4 },
		{ .name = "csv ipv6", .make = sink_csv_new, .family = 6 },
	};
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : ROWS;
	const char *path = argc > 2 ? argv[2] : "/dev/null";
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	struct clock *clock = clock_new();
	struct name_book *book = name_book_new("", NULL);
	int err = fd < 0 || !clock ? -errno : 0;

	if (!err && !count)
		err = -EINVAL;
	for (size_t i = 0; !err && i < sizeof(renderings) / sizeof(renderings[0]); i++)
		err = measure(&renderings[i], clock, book, fd, count);
	if (err)
		fprintf(stderr, "render: %s: %s\n", path, strerror(-err));
	name_book_free(book);
	clock_free(clock);
	if (fd >= 0)
		close(fd);
	return err ? 1 : 0;
}
