/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The series of `export`: what was summed since the start, and what the last look has found, by
 * whom it concerns. Pure, one thread at a time. Times are nanoseconds of CLOCK_MONOTONIC.
 *
 * A series is of a metric, of a group (who: a process name, a pod, …) and of a part (a state, a
 * reason, …). A metric of groups has no more series than was asked for, a histogram's lines counted
 * one by one: what comes beyond goes to the group `other`, and is counted. A group of which nothing
 * was seen for EXPORT_GONE_NS is dropped with its series. What a counter has counted it keeps.
 */
#ifndef TCPDWELL_EXPORT_MODEL_H
#define TCPDWELL_EXPORT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"
#include "stat.h"

/* In the order in which they are shown. The names (export_metric_table) are a contract. */
enum export_metric {
	EXPORT_CONNECTIONS, /* part: state */
	EXPORT_DWELL,
	EXPORT_DWELL_UNKNOWN,
	EXPORT_HANDSHAKE, /* part: enum export_side */
	EXPORT_ACCEPT_WAIT,
	EXPORT_CLOSES,	 /* part: reason, TCPDWELL_REASON_NONE: not known */
	EXPORT_FAILURES, /* part: errno */
	EXPORT_LEAKED,	 /* part: state */
	EXPORT_OLDEST,
	EXPORT_QUEUE, /* no part */
	EXPORT_QUEUE_LIMIT,
	EXPORT_LISTEN_DROPS,
	EXPORT_BYTES, /* part: enum export_direction */
	EXPORT_RETRANSMITTED,
	EXPORT_PORTS_USED, /* of groups that are destinations */
	EXPORT_PORTS_LEFT,
	EXPORT_SYN_COOKIES, /* of the host */
	EXPORT_FINDINGS,    /* of groups that are findings, features, … */
	EXPORT_MISSED,
	EXPORT_LOST,
	EXPORT_FEATURE,
	EXPORT_BUILD,
	EXPORT_LOOK_TIME,
	EXPORT_LOOK_DURATION,
	EXPORT_METRIC_SERIES, /* of groups that are bounded metrics, as the next one */
	EXPORT_BEYOND,
	EXPORT_METRICS
};

enum export_kind {
	EXPORT_COUNTER,
	EXPORT_GAUGE,	 /* 0 where nothing is found any more */
	EXPORT_FLEETING, /* a gauge that says nothing where nothing is found any more */
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
	const char *name; /* without _total */
	enum export_kind kind;
	enum export_part part;
	bool bounded;	  /* it is of the groups that options chose */
	const char *unit; /* that the name ends with, NULL: none */
	const char *help; /* one sentence, without quotes and backslashes */
};

extern const struct export_metric_def export_metric_table[EXPORT_METRICS];

/* What Prometheus has behind the name: "_total", "_info" or "". */
const char *export_suffix(enum export_kind kind);

/*
 * Upper bounds of a histogram's buckets, a factor of four apart: 2^16 ns to 2^46 ns, which are
 * bounds of the kernel's buckets (buckets.h), so that nothing is guessed; and all that is longer.
 */
#define EXPORT_BOUNDS	   16
#define EXPORT_FIRST_POWER 16

struct export_dwells {
	uint64_t counts[EXPORT_BOUNDS + 1]; /* each bucket by itself */
	double sum_s;			    /* middles of the kernel's buckets: 1/64 off at most */
};

/* Lines of a histogram: its buckets, _sum and _count. */
#define EXPORT_LINES (EXPORT_BOUNDS + 3)

#define EXPORT_GONE_NS 3600000000000ULL

#define EXPORT_LABELS 2

/* Up to two labels. A name that is NULL ends them. */
struct export_labels {
	const char *name[EXPORT_LABELS];
	const char *value[EXPORT_LABELS];
};

struct export;

/*
 * Groups that options chose have labels of the names @by, of which the second may be NULL. At most
 * @max_series of each metric. Returns NULL with errno set. The caller frees it.
 */
struct export *export_new(const char *const by[EXPORT_LABELS], uint32_t max_series);

/* NULL-safe. */
void export_free(struct export *export);

/* Begins a look: gauges have nothing, and groups that are gone are dropped. */
void export_look(struct export *export, uint64_t now_ns);

/*
 * The number of a group, valid until the next look. EXPORT_OTHER where there is no room for one
 * more, EXPORT_NOBODY for what has no label.
 */
#define EXPORT_OTHER  0
#define EXPORT_NOBODY 1
uint32_t export_group(struct export *export, const char *first, const char *second);

/* The same of a group with labels of its own; NOBODY where there is no memory. */
uint32_t export_named(struct export *export, const struct export_labels *labels);

/*
 * Adds to a counter or a gauge; sets it to what is greater, or less, of what was said since the
 * look began. Parts are below 65536.
 */
void export_add(struct export *export, enum export_metric metric, uint32_t group, uint32_t part,
		double more);
void export_max(struct export *export, enum export_metric metric, uint32_t group, uint32_t part,
		double value);
void export_min(struct export *export, enum export_metric metric, uint32_t group, uint32_t part,
		double value);

/* Adds what the kernel has summed of one group. Returns how many transitions that is. */
uint64_t export_sum(struct export *export, uint32_t group, const struct tcpdwell_stat_key *key,
		    const struct tcpdwell_stat *stat);

/* How often no memory was left to count something. */
uint64_t export_forgotten(const struct export *export);

/* ---- What is shown ---- */

struct export_series {
	enum export_metric metric;
	uint32_t part;
	const struct export_labels *labels;
	double value;
	const struct export_dwells *dwells; /* of a histogram, else NULL */
	uint64_t since_ns;		    /* it had counted nothing then; 0: at the start */
};

/*
 * Calls @visit for each series, by metric, labels and part. Returns 0, what a visit returned, or
 * -ENOMEM.
 */
typedef int export_visit(void *context, const struct export_series *series);
int export_each(const struct export *export, export_visit *visit, void *context);

/* Lines that a metric has now, and what it counted for `other` since there was no room. */
uint32_t export_lines(const struct export *export, enum export_metric metric);
uint64_t export_beyond(const struct export *export, enum export_metric metric);

#endif /* TCPDWELL_EXPORT_MODEL_H */
