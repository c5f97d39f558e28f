// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/fnv.h"
#include "model/export.h"

const struct export_metric_def export_metric_table[EXPORT_METRICS] = {
	[EXPORT_CONNECTIONS] = { "tcpdwell_connections", EXPORT_GAUGE, EXPORT_PART_STATE, true,
				 NULL, "TCP sockets that exist, by state." },
	[EXPORT_DWELL] = { "tcpdwell_state_dwell_seconds", EXPORT_HISTOGRAM, EXPORT_PART_STATE,
			   true, "seconds",
			   "Time that connections were in a state, when they left it." },
	[EXPORT_DWELL_UNKNOWN] = { "tcpdwell_state_dwell_unknown", EXPORT_COUNTER,
				   EXPORT_PART_STATE, true, NULL,
				   "States left whose time is not known, or known to be longer "
				   "than something." },
	[EXPORT_HANDSHAKE] = { "tcpdwell_handshake_seconds", EXPORT_HISTOGRAM, EXPORT_PART_SIDE,
			       true, "seconds", "Time that handshakes took which succeeded." },
	[EXPORT_ACCEPT_WAIT] = { "tcpdwell_accept_wait_seconds", EXPORT_HISTOGRAM, EXPORT_PART_NONE,
				 true, "seconds", "Time from ESTABLISHED to accept()." },
	[EXPORT_CLOSES] = { "tcpdwell_closes", EXPORT_COUNTER, EXPORT_PART_REASON, true, NULL,
			    "Sockets that reached CLOSE, by reason." },
	[EXPORT_FAILURES] = { "tcpdwell_connect_failures", EXPORT_COUNTER, EXPORT_PART_ERRNO, true,
			      NULL, "Calls of connect() that returned an error." },
	[EXPORT_LEAKED] = { "tcpdwell_leaked_connections", EXPORT_GAUGE, EXPORT_PART_STATE, true,
			    NULL, "Connections that wait for close() for longer than --older." },
	[EXPORT_OLDEST] = { "tcpdwell_oldest_seconds", EXPORT_FLEETING, EXPORT_PART_STATE, true,
			    "seconds", "Least time that the oldest one is in its state." },
	[EXPORT_QUEUE] = { "tcpdwell_accept_queue_length", EXPORT_GAUGE, EXPORT_PART_NONE, true,
			   NULL, "Connections that wait for accept()." },
	[EXPORT_QUEUE_LIMIT] = { "tcpdwell_accept_queue_limit", EXPORT_FLEETING, EXPORT_PART_NONE,
				 true, NULL, "Backlogs of listeners, added up." },
	[EXPORT_LISTEN_DROPS] = { "tcpdwell_listen_drops", EXPORT_COUNTER, EXPORT_PART_NONE, true,
				  NULL, "SYNs and connections that listeners dropped." },
	[EXPORT_BYTES] = { "tcpdwell_bytes", EXPORT_COUNTER, EXPORT_PART_DIRECTION, true, "bytes",
			   "Data that connections carried, each byte once." },
	[EXPORT_RETRANSMITTED] = { "tcpdwell_retransmitted_segments", EXPORT_COUNTER,
				   EXPORT_PART_NONE, true, NULL,
				   "Segments that connections sent again." },
	[EXPORT_PORTS_USED] = { "tcpdwell_local_ports_used_ratio", EXPORT_FLEETING,
				EXPORT_PART_NONE, false, "ratio",
				"Share of local ports in use to a destination, of the fullest." },
	[EXPORT_PORTS_LEFT] = { "tcpdwell_local_ports_seconds_left", EXPORT_FLEETING,
				EXPORT_PART_NONE, false, NULL,
				"Time until no local port is left, as they went since the last "
				"look." },
	[EXPORT_SYN_COOKIES] = { "tcpdwell_syn_cookies", EXPORT_COUNTER, EXPORT_PART_NONE, false,
				 NULL, "SYN cookies sent, in all namespaces that were seen." },
	[EXPORT_FINDINGS] = { "tcpdwell_findings", EXPORT_GAUGE, EXPORT_PART_NONE, false, NULL,
			      "What diagnose finds, at the last look." },
	[EXPORT_MISSED] = { "tcpdwell_missed", EXPORT_COUNTER, EXPORT_PART_NONE, false, NULL,
			    "Transitions that the kernel ran no program for." },
	[EXPORT_LOST] = { "tcpdwell_lost", EXPORT_COUNTER, EXPORT_PART_NONE, false, NULL,
			  "What was seen and is in no metric: transitions, and sums of bytes." },
	[EXPORT_FEATURE] = { "tcpdwell_feature", EXPORT_FLEETING, EXPORT_PART_NONE, false, NULL,
			     "Whether the kernel lets this be seen, and by what." },
	[EXPORT_BUILD] = { "tcpdwell_build", EXPORT_INFO, EXPORT_PART_NONE, false, NULL,
			   "Version of tcpdwell." },
	[EXPORT_LOOK_TIME] = { "tcpdwell_look_timestamp_seconds", EXPORT_FLEETING, EXPORT_PART_NONE,
			       false, "seconds", "Unix time of the last look." },
	[EXPORT_LOOK_DURATION] = { "tcpdwell_look_duration_seconds", EXPORT_FLEETING,
				   EXPORT_PART_NONE, false, "seconds",
				   "Time that the last look took." },
};

/* Room that is kept for the group `other`: its parts, of errno those that have a name. */
#define OTHER_PARTS_MAX 140

struct group {
	struct export_labels labels;
	uint64_t seen_ns;
	uint32_t hash;
	bool used;
};

struct series {
	uint32_t group;
	uint16_t metric;
	uint16_t part;
	double value;
	struct export_dwells *dwells;
};

/* A table of numbers, by hash: one more than what it stands for, 0: free. */
struct slots {
	uint32_t *items;
	uint32_t count; /* a power of two */
};

struct export
{
	const char *by[EXPORT_LABELS];
	uint32_t max_series;
	uint64_t now_ns;
	struct group *groups;
	uint32_t group_count, group_room;
	uint32_t chosen; /* groups that options chose */
	struct slots group_slots;
	struct series *series;
	uint32_t count, room;
	struct slots slots;
	uint32_t lines[EXPORT_METRICS]; /* but for those of `other` */
	uint32_t other_lines[EXPORT_METRICS];
	uint64_t beyond[EXPORT_METRICS];
	uint64_t forgotten;
};

/* ---- Slots ---- */

static uint32_t slot_begin(const struct slots *slots, uint32_t hash)
{
	return hash & (slots->count - 1);
}

static uint32_t slot_next(const struct slots *slots, uint32_t slot)
{
	return (slot + 1) & (slots->count - 1);
}

static void slots_put(struct slots *slots, uint32_t hash, uint32_t number)
{
	uint32_t slot = slot_begin(slots, hash);

	while (slots->items[slot])
		slot = slot_next(slots, slot);
	slots->items[slot] = number + 1;
}

/* Empty, and at least twice as many as @entries. Returns 0 or -ENOMEM, then nothing has changed. */
static int slots_make(struct slots *slots, uint32_t entries)
{
	uint32_t count = slots->count ?: 64;
	uint32_t *items;

	while (count < 2 * entries)
		count *= 2;
	items = calloc(count, sizeof(*items));
	if (!items)
		return -ENOMEM;
	free(slots->items);
	*slots = (struct slots){ items, count };
	return 0;
}

/* With its NUL, so that two texts are not one. */
static uint32_t hash_text(uint32_t hash, const char *text)
{
	return fnv32(hash, text, strlen(text) + 1);
}

static uint32_t mix(uint32_t hash)
{
	hash = (hash ^ hash >> 16) * 0x7feb352du;
	hash = (hash ^ hash >> 15) * 0x846ca68bu;
	return hash ^ hash >> 16;
}

static uint32_t hash_series(uint32_t metric, uint32_t group, uint32_t part)
{
	return mix(mix(group) ^ (metric << 16 | part));
}

static uint32_t hash_labels(const struct export_labels *labels)
{
	uint32_t hash = FNV32_BEGIN;

	for (unsigned int i = 0; i < EXPORT_LABELS && labels->name[i]; i++)
		hash = hash_text(hash_text(hash, labels->name[i]), labels->value[i]);
	return mix(hash);
}

/* ---- Groups ---- */

static bool same_labels(const struct export_labels *a, const struct export_labels *b)
{
	for (unsigned int i = 0; i < EXPORT_LABELS; i++) {
		if (!a->name[i] || !b->name[i])
			return !a->name[i] && !b->name[i];
		if (strcmp(a->name[i], b->name[i]) != 0 || strcmp(a->value[i], b->value[i]) != 0)
			return false;
	}
	return true;
}

static void group_clear(struct group *group)
{
	for (unsigned int i = 0; i < EXPORT_LABELS && group->labels.name[i]; i++)
		free((char *)group->labels.value[i]);
	*group = (struct group){};
}

/* Names of labels are constants of the caller's, values are copied. */
static int group_set(struct group *group, const struct export_labels *labels, uint32_t hash)
{
	*group = (struct group){ .used = true, .hash = hash };
	for (unsigned int i = 0; i < EXPORT_LABELS && labels->name[i]; i++) {
		group->labels.value[i] = strdup(labels->value[i]);
		if (!group->labels.value[i]) {
			group_clear(group);
			return -ENOMEM;
		}
		group->labels.name[i] = labels->name[i];
	}
	return 0;
}

static int grow_groups(struct export *e)
{
	uint32_t room = e->group_room ? e->group_room * 2 : 64;
	struct group *groups = reallocarray(e->groups, room, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	e->groups = groups;
	e->group_room = room;
	if (slots_make(&e->group_slots, room))
		return -ENOMEM;
	for (uint32_t i = 0; i < e->group_count; i++)
		if (groups[i].used)
			slots_put(&e->group_slots, groups[i].hash, i);
	return 0;
}

/* Returns its number, or @otherwise if there is no memory. */
static uint32_t add_group(struct export *e, const struct export_labels *labels, uint32_t hash,
			  uint32_t otherwise)
{
	uint32_t number = 0;

	while (number < e->group_count && e->groups[number].used)
		number++;
	if ((number == e->group_room && grow_groups(e)) ||
	    group_set(&e->groups[number], labels, hash)) {
		e->forgotten++;
		return otherwise;
	}
	if (number == e->group_count)
		e->group_count++;
	slots_put(&e->group_slots, hash, number);
	return number;
}

/* Returns the number of a known group, or -1. */
static int64_t find_group(const struct export *e, const struct export_labels *labels, uint32_t hash)
{
	uint32_t slot = slot_begin(&e->group_slots, hash), number;

	for (; (number = e->group_slots.items[slot]); slot = slot_next(&e->group_slots, slot)) {
		const struct group *group = &e->groups[number - 1];

		if (group->hash == hash && same_labels(&group->labels, labels))
			return number - 1;
	}
	return -1;
}

static uint32_t touch(struct export *e, uint32_t number)
{
	e->groups[number].seen_ns = e->now_ns;
	return number;
}

uint32_t export_group(struct export *e, const char *first, const char *second)
{
	const struct export_labels labels = {
		.name = { e->by[0], e->by[1] },
		.value = { first, second },
	};
	uint32_t hash = hash_labels(&labels), number;
	int64_t known = find_group(e, &labels, hash);

	if (known >= 0)
		return touch(e, known);
	/* A group has one series at the least. */
	if (e->chosen >= e->max_series)
		return EXPORT_OTHER;
	number = add_group(e, &labels, hash, EXPORT_OTHER);
	e->chosen += number != EXPORT_OTHER;
	return touch(e, number);
}

uint32_t export_named(struct export *e, const struct export_labels *labels)
{
	uint32_t hash = hash_labels(labels);
	int64_t known = find_group(e, labels, hash);

	return touch(e, known >= 0 ? (uint32_t)known : add_group(e, labels, hash, EXPORT_NOBODY));
}

/* ---- Series ---- */

static uint32_t lines_of(uint32_t metric)
{
	return export_metric_table[metric].kind == EXPORT_HISTOGRAM ? EXPORT_LINES : 1;
}

static uint32_t parts_of(uint32_t metric)
{
	switch (export_metric_table[metric].part) {
	case EXPORT_PART_STATE:
		return TCPDWELL_STATE_MAX - 1;
	case EXPORT_PART_SIDE:
	case EXPORT_PART_DIRECTION:
		return 2;
	case EXPORT_PART_REASON:
		return TCPDWELL_REASON_MAX;
	case EXPORT_PART_ERRNO:
		return OTHER_PARTS_MAX;
	default:
		return 1;
	}
}

static struct series *find_series(const struct export *e, uint32_t metric, uint32_t group,
				  uint32_t part)
{
	uint32_t slot = slot_begin(&e->slots, hash_series(metric, group, part)), number;

	for (; (number = e->slots.items[slot]); slot = slot_next(&e->slots, slot)) {
		struct series *series = &e->series[number - 1];

		if (series->group == group && series->metric == metric && series->part == part)
			return series;
	}
	return NULL;
}

static void put_series(struct export *e)
{
	for (uint32_t i = 0; i < e->count; i++)
		slots_put(&e->slots,
			  hash_series(e->series[i].metric, e->series[i].group, e->series[i].part),
			  i);
}

static int grow_series(struct export *e)
{
	uint32_t room = e->room ? e->room * 2 : 256;
	struct series *series = reallocarray(e->series, room, sizeof(*series));

	if (!series)
		return -ENOMEM;
	e->series = series;
	if (slots_make(&e->slots, room))
		return -ENOMEM;
	e->room = room;
	put_series(e);
	return 0;
}

static struct series *add_series(struct export *e, uint32_t metric, uint32_t group, uint32_t part)
{
	struct export_dwells *dwells = NULL;
	struct series *series;

	if (lines_of(metric) > 1)
		dwells = calloc(1, sizeof(*dwells));
	if ((lines_of(metric) > 1 && !dwells) || (e->count == e->room && grow_series(e))) {
		free(dwells);
		e->forgotten++;
		return NULL;
	}
	series = &e->series[e->count];
	*series =
		(struct series){ .group = group, .metric = metric, .part = part, .dwells = dwells };
	slots_put(&e->slots, hash_series(metric, group, part), e->count++);
	*(group == EXPORT_OTHER ? &e->other_lines[metric] : &e->lines[metric]) += lines_of(metric);
	return series;
}

/* What is left of the bound, once `other` has what it may need. */
static bool has_room(const struct export *e, uint32_t metric)
{
	uint32_t kept = lines_of(metric) * parts_of(metric);

	return !export_metric_table[metric].bounded ||
	       e->lines[metric] + lines_of(metric) + kept <= e->max_series;
}

/* The one to count in. NULL: no memory. */
static struct series *series_of(struct export *e, uint32_t metric, uint32_t group, uint32_t part)
{
	struct series *series = find_series(e, metric, group, part);

	if (!series && group != EXPORT_OTHER && !has_room(e, metric)) {
		group = EXPORT_OTHER;
		series = find_series(e, metric, group, part);
	}
	/* Also where the group itself found no room. */
	if (group == EXPORT_OTHER)
		e->beyond[metric]++;
	return series ?: add_series(e, metric, group, part);
}

void export_add(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		double more)
{
	struct series *series = series_of(e, metric, group, part);

	if (series)
		series->value += more;
}

void export_max(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		double value)
{
	struct series *series = series_of(e, metric, group, part);

	if (series && value > series->value)
		series->value = value;
}

/* One of which nothing was said yet is not there: it is a fleeting one. */
void export_min(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		double value)
{
	bool known = find_series(e, metric, group, part);
	struct series *series = series_of(e, metric, group, part);

	if (series && (!known || value < series->value))
		series->value = value;
}

/* ---- Sums ---- */

/* The first bound that is not below the bucket of the kernel's, which lies within two powers. */
static unsigned int bound_of(uint64_t lowest_ns)
{
	unsigned int power = buckets_log2(lowest_ns), bound;

	if (power < EXPORT_FIRST_POWER)
		return 0;
	bound = (power - EXPORT_FIRST_POWER) / 2 + 1;
	return bound < EXPORT_BOUNDS ? bound : EXPORT_BOUNDS;
}

static void add_dwells(struct export *e, enum export_metric metric, uint32_t group, uint32_t part,
		       const struct tcpdwell_stat_key *key, const struct tcpdwell_stat *stat)
{
	struct series *series = series_of(e, metric, group, part);
	unsigned int first = key->chunk * TCPDWELL_STAT_BUCKETS;

	for (unsigned int i = 0; series && i < TCPDWELL_STAT_BUCKETS; i++) {
		uint64_t lowest_ns = buckets_lowest(first + i);
		uint64_t wide_ns = first + i + 1 < BUCKETS ?
					   buckets_lowest(first + i + 1) - lowest_ns :
					   0;

		if (!stat->counts[i])
			continue;
		series->dwells->counts[bound_of(lowest_ns)] += stat->counts[i];
		series->dwells->sum_s += stat->counts[i] *
					 ((double)lowest_ns + (double)wide_ns / 2) / 1e9;
	}
}

static uint64_t rows_of(const struct tcpdwell_stat *stat)
{
	uint64_t rows = 0;

	for (unsigned int i = 0; i < TCPDWELL_STAT_BUCKETS; i++)
		rows += stat->counts[i];
	return rows;
}

static void add_carried(struct export *e, uint32_t group, const struct tcpdwell_stat *stat)
{
	export_add(e, EXPORT_BYTES, group, EXPORT_SENT, stat->counts[TCPDWELL_CARRIED_SENT]);
	export_add(e, EXPORT_BYTES, group, EXPORT_RECEIVED,
		   stat->counts[TCPDWELL_CARRIED_RECEIVED]);
	export_add(e, EXPORT_RETRANSMITTED, group, 0, stat->counts[TCPDWELL_CARRIED_AGAIN]);
}

uint64_t export_sum(struct export *e, uint32_t group, const struct tcpdwell_stat_key *key,
		    const struct tcpdwell_stat *stat)
{
	unsigned int end = key->number >> TCPDWELL_STAT_END_SHIFT;
	uint64_t rows = rows_of(stat);

	if (key->state == TCPDWELL_STAT_CARRIED) {
		add_carried(e, group, stat);
		return 0;
	}
	if (!rows)
		return 0;
	/* It is asked for where its length is known. */
	if (key->state == TCPDWELL_STAT_ACCEPT) {
		add_dwells(e, EXPORT_ACCEPT_WAIT, group, 0, key, stat);
		return rows;
	}
	if (end)
		export_add(e, EXPORT_CLOSES, group, end - 1, rows);
	if (key->chunk >= TCPDWELL_STAT_CHUNKS) {
		export_add(e, EXPORT_DWELL_UNKNOWN, group, key->state, rows);
		return rows;
	}
	add_dwells(e, EXPORT_DWELL, group, key->state, key, stat);
	if (!end && key->state == TCPDWELL_SYN_SENT)
		add_dwells(e, EXPORT_HANDSHAKE, group, EXPORT_CLIENT, key, stat);
	if (!end && key->state == TCPDWELL_SYN_RECV)
		add_dwells(e, EXPORT_HANDSHAKE, group, EXPORT_SERVER, key, stat);
	return rows;
}

/* ---- Looks ---- */

static bool is_gone(const struct export *e, uint32_t number)
{
	const struct group *group = &e->groups[number];

	return number > EXPORT_NOBODY && group->used && e->now_ns > group->seen_ns &&
	       e->now_ns - group->seen_ns > EXPORT_GONE_NS;
}

static bool stays(const struct export *e, const struct series *series)
{
	return export_metric_table[series->metric].kind != EXPORT_FLEETING &&
	       !is_gone(e, series->group);
}

static void drop_series(struct export *e)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < e->count; i++) {
		struct series *series = &e->series[i];

		if (!stays(e, series)) {
			*(series->group == EXPORT_OTHER ?
				  &e->other_lines[series->metric] :
				  &e->lines[series->metric]) -= lines_of(series->metric);
			free(series->dwells);
			continue;
		}
		if (export_metric_table[series->metric].kind == EXPORT_GAUGE ||
		    export_metric_table[series->metric].kind == EXPORT_INFO)
			series->value = 0;
		e->series[kept++] = *series;
	}
	e->count = kept;
	memset(e->slots.items, 0, e->slots.count * sizeof(*e->slots.items));
	put_series(e);
}

void export_look(struct export *e, uint64_t now_ns)
{
	e->now_ns = now_ns;
	drop_series(e);
	for (uint32_t i = 0; i < e->group_count; i++) {
		if (!is_gone(e, i))
			continue;
		e->chosen -= e->groups[i].labels.name[0] == e->by[0];
		group_clear(&e->groups[i]);
	}
	memset(e->group_slots.items, 0, e->group_slots.count * sizeof(*e->group_slots.items));
	for (uint32_t i = 0; i < e->group_count; i++)
		if (e->groups[i].used)
			slots_put(&e->group_slots, e->groups[i].hash, i);
}

uint64_t export_forgotten(const struct export *e)
{
	return e->forgotten;
}

uint32_t export_lines(const struct export *e, enum export_metric metric)
{
	return e->lines[metric] + e->other_lines[metric];
}

uint64_t export_beyond(const struct export *e, enum export_metric metric)
{
	return e->beyond[metric];
}

/* ---- What is shown ---- */

struct shown_group {
	const struct export_labels *labels;
	uint32_t number;
};

static int compare_groups(const void *left, const void *right)
{
	const struct export_labels *a = ((const struct shown_group *)left)->labels;
	const struct export_labels *b = ((const struct shown_group *)right)->labels;
	int order = 0;

	for (unsigned int i = 0; i < EXPORT_LABELS && !order; i++) {
		if (!a->name[i] || !b->name[i])
			return !!a->name[i] - !!b->name[i];
		order = strcmp(a->name[i], b->name[i]) ?: strcmp(a->value[i], b->value[i]);
	}
	return order;
}

struct shown_series {
	uint64_t rank;
	const struct series *series;
};

static int compare_series(const void *left, const void *right)
{
	const struct shown_series *a = left, *b = right;

	return compare(a->rank, b->rank);
}

/* Ranks of groups by their labels. NULL: no memory. */
static uint32_t *rank_groups(const struct export *e)
{
	struct shown_group *groups = calloc(e->group_count, sizeof(*groups));
	uint32_t *ranks = calloc(e->group_count, sizeof(*ranks));

	if (groups && ranks) {
		for (uint32_t i = 0; i < e->group_count; i++)
			groups[i] = (struct shown_group){ &e->groups[i].labels, i };
		qsort(groups, e->group_count, sizeof(*groups), compare_groups);
		for (uint32_t i = 0; i < e->group_count; i++)
			ranks[groups[i].number] = i;
	} else {
		free(ranks);
		ranks = NULL;
	}
	free(groups);
	return ranks;
}

int export_each(const struct export *e, export_visit *visit, void *context)
{
	struct shown_series *shown = calloc(e->count + 1, sizeof(*shown));
	uint32_t *ranks = rank_groups(e);
	int err = shown && ranks ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < e->count && !err; i++) {
		const struct series *series = &e->series[i];

		shown[i].series = series;
		shown[i].rank = (uint64_t)series->metric << 48 |
				(uint64_t)ranks[series->group] << 16 | series->part;
	}
	if (!err)
		qsort(shown, e->count, sizeof(*shown), compare_series);
	for (uint32_t i = 0; i < e->count && !err; i++) {
		const struct series *series = shown[i].series;
		const struct export_series one = {
			.metric = series->metric,
			.part = series->part,
			.labels = &e->groups[series->group].labels,
			.value = series->value,
			.dwells = series->dwells,
		};

		err = visit(context, &one);
	}
	free(shown);
	free(ranks);
	return err;
}

/* ---- Start and end ---- */

/* The groups that have numbers of their own. */
static int add_fixed(struct export *e)
{
	const struct export_labels none = {}, other = {
		.name = { e->by[0], e->by[1] },
		.value = { "other", "other" },
	};

	e->group_count = 0;
	if (add_group(e, &other, hash_labels(&other), EXPORT_NOBODY) != EXPORT_OTHER ||
	    add_group(e, &none, hash_labels(&none), EXPORT_OTHER) != EXPORT_NOBODY)
		return -ENOMEM;
	return 0;
}

struct export *export_new(const char *const by[EXPORT_LABELS], uint32_t max_series)
{
	struct export *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	memcpy(e->by, by, sizeof(e->by));
	e->max_series = max_series;
	if (!grow_groups(e) && !grow_series(e) && !add_fixed(e))
		return e;
	export_free(e);
	errno = ENOMEM;
	return NULL;
}

void export_free(struct export *e)
{
	if (!e)
		return;
	for (uint32_t i = 0; i < e->group_count; i++)
		group_clear(&e->groups[i]);
	for (uint32_t i = 0; i < e->count; i++)
		free(e->series[i].dwells);
	free(e->groups);
	free(e->group_slots.items);
	free(e->series);
	free(e->slots.items);
	free(e);
}
