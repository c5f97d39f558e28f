/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A sink renders the stream: one file a rendering.
 *
 * Calls come from one thread, in this order: start once, then event and tick in any number, finish
 * once. A sink writes to the text it was given and knows no other sink. What it is handed is
 * the caller's and only valid during the call. Each call returns 0 or -errno; -EPIPE says that the
 * reader has gone, which is not an error of the tool.
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
	uint64_t undated; /* stat: with no dwell: a life begins, or nothing is known */
	uint64_t filtered;
	uint64_t folded;    /* half-open connections of a SYN flood, counted and not shown */
	uint64_t unwritten; /* the output took them not, or not before the end */
	uint64_t unknown;   /* records of a kind that is not known here */
	uint64_t malformed; /* records that cannot be */
	uint64_t lost_ring; /* the ring was full */
	uint64_t lost_map;  /* a row that had to wait, or its group, found the map full */
	uint64_t untracked; /* sockets without a place in the map: rows shown, dwell unknown */
	uint64_t missed;    /* no program ran for them, it is known; outside the identity */
};

/* How rows are to look. All of it is set before start and constant after. */
struct style {
	struct text *text;	   /* where rows go, not owned; TEXT_ROWS_BYTES large */
	bool wide;		   /* -w */
	bool wall_time;		   /* -T */
	bool since_start;	   /* -t */
	bool utc;		   /* --utc */
	bool tty;		   /* that goes to a terminal */
	unsigned int columns;	   /* width of the terminal, 0: none */
	const struct clock *clock; /* not owned */
};

struct sink;

struct sink_ops {
	int (*start)(struct sink *sink);
	/* @names (host/name_book.h) are those of where the row came from, NULL: not known. */
	int (*event)(struct sink *sink, const struct tcpdwell_transition *t,
		     const struct names *names);
	int (*tick)(struct sink *sink); /* flush what is buffered; called before each wait */
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
