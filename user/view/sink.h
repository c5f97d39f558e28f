/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sink renders the stream. Each rendering is in a file of its own.
 *
 * Calls come from one thread, in this order: start once, then event and tick any number of times,
 * then finish once. A sink writes to the text that it was given and knows no other sink. What it is
 * handed belongs to the caller, and is valid only during the call. Each call returns 0 or -errno.
 * -EPIPE means that the reader has gone, which is no error of the tool.
 */
#ifndef TCPDWELL_SINK_H
#define TCPDWELL_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

struct clock;
struct names;
struct text;

/*
 * The accounting of a run:
 *
 *	seen = printed + filtered + folded + unwritten + unknown + malformed + sum of lost
 *
 * and of `stat`, which has undated and no folded, with counted for printed.
 */
struct summary {
	uint64_t seen;
	uint64_t printed; /* written out, or in a report; stat: counted */
	uint64_t undated; /* stat: without dwell: a life begins, or it is not known */
	uint64_t filtered;
	uint64_t folded;    /* requests of a SYN flood, counted but not shown */
	uint64_t unwritten; /* the output did not take them, or not in time */
	uint64_t unknown;   /* records of an unknown kind */
	uint64_t malformed; /* records with impossible contents */
	uint64_t lost_ring; /* the ring was full */
	uint64_t lost_map;  /* the map was full for a held row, or for its group */
	uint64_t untracked; /* sockets without a place in the map: dwell unknown */
	uint64_t missed;    /* no program ran for them; not part of the identity */
};

/* How rows are to look. All members are set before start, and constant after that. */
struct style {
	struct text *text;	   /* where rows go; not owned; of TEXT_ROWS_BYTES */
	bool wide;		   /* -w */
	bool wall_time;		   /* -T */
	bool since_start;	   /* -t */
	bool utc;		   /* --utc */
	bool tty;		   /* the text goes to a terminal */
	unsigned int columns;	   /* width of the terminal; 0: none */
	const struct clock *clock; /* not owned */
};

struct sink;

struct sink_ops {
	int (*start)(struct sink *sink);
	/*
	 * @names (host/name_book.h) are those of the row's cgroup and namespace; NULL: not known.
	 */
	int (*event)(struct sink *sink, const struct tcpdwell_transition *t,
		     const struct names *names);
	int (*tick)(struct sink *sink); /* flushes; called before each wait */
	int (*finish)(struct sink *sink, const struct summary *summary);
	void (*free)(struct sink *sink); /* NULL-safe */
};

struct sink {
	const struct sink_ops *ops;
};

/* Each returns a sink that the caller frees by ops->free, or NULL with errno set. */
struct sink *sink_table_new(const struct style *style);
struct sink *sink_json_new(const struct style *style);
struct sink *sink_csv_new(const struct style *style);

#endif /* TCPDWELL_SINK_H */
