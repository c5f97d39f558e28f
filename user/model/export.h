/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The series of `export`: what was summed since the start, and what the last look found, for each
 * group that it concerns. Times are nanoseconds of CLOCK_MONOTONIC. Pure, one thread at a time.
 *
 * A series belongs to a metric, a group (who: a process name, a pod, …) and a part (a state, a
 * reason, …). A metric with groups has at most as many series as was asked for, where each line of
 * a histogram counts. What would exceed that goes to the group `other`, and is counted. A group of
 * which nothing was seen for EXPORT_GONE_NS is dropped with its series. A counter keeps its value
 * until then.
 */
#ifndef TCPDWELL_EXPORT_MODEL_H
#define TCPDWELL_EXPORT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "stat.h"

/* The order in which they are shown. The names (export_metric_table) are a contract. */
enum export_metric {
	EXPORT_CONNECTIONS, /* part: state */
	EXPORT_DWELL,
	EXPORT_DWELL_UNKNOWN,
	EXPORT_HANDSHAKE, /* part: enum export_side */
	EXPORT_ACCEPT_WAIT,
	EXPORT_CLOSES,	 /* part: reason; TCPDWELL_REASON_NONE: not known */
	EXPORT_FAILURES, /* part: errno */
	EXPORT_LEAKED,	 /* part: state */
	EXPORT_OLDEST,
	EXPORT_QUEUE, /* no part */
	EXPORT_QUEUE_LIMIT,
	EXPORT_LISTEN_DROPS,
	EXPORT_BYTES, /* part: enum export_direction */
	EXPORT_RETRANSMITTED,
	EXPORT_PORTS_USED, /* groups: destinations */
	EXPORT_PORTS_LEFT,
	EXPORT_SYN_COOKIES, /* of the whole host */
	EXPORT_FINDINGS,    /* groups: findings, features, … */
	EXPORT_MISSED,
	EXPORT_LOST,
	EXPORT_FEATURE,
	EXPORT_BUILD,
	EXPORT_LOOK_TIME,
	EXPORT_LOOK_DURATION,
	EXPORT_METRIC_SERIES, /* groups: the bounded metrics, here and in the next one */
	EXPORT_BEYOND,
	EXPORT_METRICS
};

enum export_kind {
	EXPORT_COUNTER,
	EXPORT_GAUGE,	 /* 0 if nothing is found any more */
	EXPORT_FLEETING, /* a gauge that disappears if nothing is found any more */
	EXPORT_HISTOGRAM,
	EXPORT_INFO,
};

enum export_part {
	EXPORT_PART_NONE,
	EXPORT_PART_STATE,
	EXPORT_PART_SIDE,
	EXPORT_PART_DIRECTION,
	EXPORT_PART_REASON,
	EXPORT_PART_ERRNO,
};

enum export_side { EXPORT_CLIENT, EXPORT_SERVER };
enum export_direction { EXPORT_SENT, EXPORT_RECEIVED };

struct export_metric_def {
	const char *name; /* without the suffix _total */
	enum export_kind kind;
	enum export_part part;
	bool bounded;	  /* its groups are those that options choose */
	const char *unit; /* the end of the name; NULL: none */
	const char *help; /* one sentence, without quotes and backslashes */
};

extern const struct export_metric_def export_metric_table[EXPORT_METRICS];

/* Returns the suffix that Prometheus expects behind the name: "_total", "_info" or "". */
const char *export_suffix(enum export_kind kind);

/*
 * The upper bounds of a histogram's buckets are 2^16 ns to 2^46 ns, a factor of four apart. They
 * are also bounds of the kernel side's buckets (buckets.h), so nothing is estimated. One more
 * bucket takes all that is longer.
 */
#define EXPORT_BOUNDS	   16
#define EXPORT_FIRST_POWER 16

struct export_dwells {
	uint64_t counts[EXPORT_BOUNDS + 1]; /* not cumulative */
	double sum_s;			    /* from the middles of buckets: at most 1/64 off */
};

/* The lines of a histogram: its buckets, _sum and _count. */
#define EXPORT_LINES (EXPORT_BOUNDS + 3)

#define EXPORT_GONE_NS 3600000000000ULL

#define EXPORT_LABELS 2

/* Up to two labels. A name that is NULL ends the list. */
struct export_labels {
	const char *name[EXPORT_LABELS];
	const char *value[EXPORT_LABELS];
};

struct export;

/*
 * Makes an empty export. @by are the names of the labels of groups that options choose; the second
 * one may be NULL. Each metric has at most @max_series series, or those of `other` alone if these
 * may be more. Returns NULL with errno set. The caller frees the export.
 */
struct export *export_new(const char *const by[EXPORT_LABELS], uint32_t max_series);

/* NULL-safe. */
void export_free(struct export *export);

/* Begins a look: resets gauges, and drops groups that are gone. */
void export_look(struct export *export, uint64_t now_ns);

/*
 * Returns the number of a group, valid until the next look: EXPORT_NO_ROOM if there is no room for
 * another group, EXPORT_NOBODY for series that have no label. What is added to EXPORT_NO_ROOM
 * counts for EXPORT_OTHER, and export_beyond() tells that. Values are cut to EXPORT_VALUE_BYTES: no
 * name of a process, a unit or a pod is that long, but a path may be.
 */
#define EXPORT_OTHER	   0
#define EXPORT_NOBODY	   1
#define EXPORT_NO_ROOM	   UINT32_MAX
#define EXPORT_VALUE_BYTES 512
uint32_t export_group(struct export *export, const char *first, const char *second);

/* Returns the number under which what is added to a group counts. */
static inline uint32_t export_counts_for(uint32_t group)
{
	return group == EXPORT_NO_ROOM ? EXPORT_OTHER : group;
}

/* Does the same for a group with other labels. Returns EXPORT_NOBODY if there is no memory. */
uint32_t export_named(struct export *export, const struct export_labels *labels);

/*
 * Add to a counter or a gauge, or set a gauge to the greatest or least value since the look began.
 * @part is below 65536.
 */
void export_add(struct export *export, enum export_metric metric, uint32_t group, uint32_t part,
		double more);
void export_max(struct export *export, enum export_metric metric, uint32_t group, uint32_t part,
		double value);
void export_min(struct export *export, enum export_metric metric, uint32_t group, uint32_t part,
		double value);

/* Adds what the kernel side has summed for one group. Returns the number of transitions in it. */
uint64_t export_sum(struct export *export, uint32_t group, const struct tcpdwell_stat_key *key,
		    const struct tcpdwell_stat *stat);

/* Returns how often something was not counted because there was no memory. */
uint64_t export_forgotten(const struct export *export);

/* ---- What is shown ---- */

struct export_series {
	enum export_metric metric;
	uint32_t part;
	const struct export_labels *labels;
	double value;
	const struct export_dwells *dwells; /* for a histogram, else NULL */
	uint64_t since_ns;		    /* when its counting began from 0; 0: at the start */
};

/*
 * Calls @visit for each series, sorted by metric, labels and part. Returns 0, what a visit
 * returned, or -ENOMEM.
 */
typedef int export_visit(void *context, const struct export_series *series);
int export_each(const struct export *export, export_visit *visit, void *context);

/*
 * Return how many lines a metric has now, and how often it was counted for `other` because there
 * was no room.
 */
uint32_t export_lines(const struct export *export, enum export_metric metric);
uint64_t export_beyond(const struct export *export, enum export_metric metric);

#endif /* TCPDWELL_EXPORT_MODEL_H */
