// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/loader.h"
#include "model/names_wanted.h"
#include "model/stat_names.h"
#include "model/stat_rows.h"
#include "model/stat_table.h"
#include "run/stat.h"
#include "view/stat_json.h"
#include "view/stat_report.h"

/* The default time between two frames in place. */
#define FRAME_NS 1000000000ULL

struct stat_run {
	struct stat_names *names;  /* NULL: groups are not by cgroup */
	struct stat_table *recent; /* since the last report */
	struct stat_table *all;	   /* since the start; NULL: not needed */
	uint64_t counted;	   /* rows up to the last report */
	uint64_t report_ns;	   /* when the last report was */
	uint64_t lost;		   /* rows lost up to the last report */
};

/* Returns true if a report covers all since the start. */
static bool wants_all(const struct options *options)
{
	return options->cumulative || !options->report_ns;
}

static void stat_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	const struct options *options = session->options;
	bool names = stat_names_make(options->by);

	capture->sums = (struct capture_sums){
		.wanted = true,
		.by = names ? TCPDWELL_BY_CGROUP : options->by,
		.service = options->by == TCPDWELL_BY_PORT,
		.accept_waits = true,
		.or_rows = true,
		.prefix4 = options->prefix4,
		.prefix6 = options->prefix6,
		.bytes = options->hist_bytes,
	};
	capture->cgroups = names;
	wants->watch = true;
	wants->snapshot = !options->no_snapshot;
	wants->names = names;
	wants->reports = true;
	wants->report_ns = options->report_ns ?: session->in_place ? FRAME_NS : 0;
	capture->sums.again = names || wants->report_ns;
	wants->pace_ns = names ? SESSION_NAMES_NS : EVENTS_FOREVER;
}

static int stat_start(struct session *session)
{
	const struct options *options = session->options;
	struct stat_run *run = session->model = calloc(1, sizeof(*run));
	uint32_t size = loader_stat_size(session->loader);

	if (!run)
		return session_cannot_start(session, errno);
	if (stat_names_make(options->by) && !(run->names = stat_names_new(options->by)))
		return session_cannot_start(session, errno);
	run->recent = stat_table_new(size, options->by);
	if (session->in_place || wants_all(options))
		run->all = stat_table_new(size, options->by);
	if (!run->recent || (!run->all && (session->in_place || wants_all(options))))
		return session_cannot_start(session, errno);
	return 0;
}

/* Replaces the cgroup in @key by the number of its group. Returns true if the filters want it. */
static bool find_group(const struct session *session, struct tcpdwell_stat_key *key)
{
	const struct stat_run *run = session->model;
	struct names names;

	session_names(session, key->cgroup_id, 0, clock_now_ns(), &names);
	if (!names_wanted(&session->options->filters, names.cgroup))
		return false;
	key->number = stat_names_add(run->names, key->cgroup_id, names.cgroup);
	memset(key->words, 0, sizeof(key->words));
	return true;
}

static int add_sum(struct session *session, struct tcpdwell_stat_key key,
		   const struct tcpdwell_stat *sum)
{
	struct stat_run *run = session->model;
	int err;

	if (run->names && !find_group(session, &key)) {
		session->unwanted += stat_element_rows(&key, sum);
		return 0;
	}
	err = stat_table_add(run->recent, &key, sum);
	return err ? failure_errno(session->failure, "cannot sum up", -err) : 0;
}

/* Sums up a row, as the kernel side does where it can. */
static int add_row(struct session *session, const struct tcpdwell_transition *t)
{
	const struct options *options = session->options;
	const struct stat_grouping grouping = {
		.by = stat_names_make(options->by) ? TCPDWELL_BY_CGROUP : options->by,
		.prefix4 = options->prefix4,
		.prefix6 = options->prefix6,
	};
	struct tcpdwell_stat_key key;
	struct tcpdwell_stat sum;

	if (stat_row_sum(&grouping, t, &key, &sum))
		return add_sum(session, key, &sum);
	session->undated++;
	return 0;
}

static int stat_event(struct session *session, const struct event *event)
{
	return event->kind == EVENT_TRANSITION ?
		       add_row(session, event->transition) :
		       add_sum(session, *event->sum.key, event->sum.value);
}

/* Looks up the names of cgroups that have none yet. */
static void learn_names(const struct session *session)
{
	const struct stat_run *run = session->model;
	uint64_t now_ns = clock_now_ns();
	struct names names;

	for (uint32_t i = 1; i <= stat_names_count(run->names); i++) {
		const struct stat_name *name = stat_names_at(run->names, i);

		if (!name->cgroup_id || name->path)
			continue;
		session_names(session, name->cgroup_id, 0, now_ns, &names);
		stat_names_add(run->names, name->cgroup_id, names.cgroup);
	}
}

/* Takes what the kernel side has summed since the last call. Rows come by themselves. */
static int take(struct session *session)
{
	struct stat_run *run = session->model;

	if (loader_sums(session->loader)) {
		if (session_sums(session))
			return -1;
		session->handed = run->counted + stat_table_rows(run->recent);
	}
	if (run->names)
		learn_names(session);
	return 0;
}

static int stat_tick(struct session *session)
{
	const struct stat_run *run = session->model;

	if (!loader_sums(session->loader) || (!run->names && !session->end))
		return 0;
	return take(session);
}

/*
 * ---- Reports ------------------------------------------------------------------------------------
 */

struct report {
	const struct session *session;
	struct stat_view view;
};

static int print(FILE *out, const void *context)
{
	const struct report *report = context;
	const struct options *options = report->session->options;
	const struct stat_style style = {
		/* A pipe or a file has no width, so the table may be as wide as it needs. */
		.columns = output_columns() ?: STAT_WIDE,
		.top = options->top,
		.histogram = options->histogram,
		.utc = options->utc,
	};

	return options->format == FORMAT_JSON ? stat_json(out, &report->view) :
						stat_report(out, &report->view, &style);
}

/*
 * Returns the view of what happened up to @now_ns: since the last report, or since the start if
 * @all.
 */
static struct stat_view view_of(const struct session *session, uint64_t now_ns, bool all,
				uint64_t lost)
{
	const struct options *options = session->options;
	const struct stat_run *run = session->model;
	uint64_t since_ns = all || !run->report_ns ? session->start_ns : run->report_ns;

	return (struct stat_view){
		.table = all ? run->all : run->recent,
		.by = options->by,
		.prefix4 = options->prefix4,
		.prefix6 = options->prefix6,
		.span_ns = now_ns - since_ns,
		.now_ns = now_ns,
		.wall_ns = clock_wall_ns(session->clock, now_ns),
		.lost = lost - (all ? 0 : run->lost),
		.names = run->names,
	};
}

/* Shows what was taken up to @now_ns, and starts a new interval. */
static int show(struct session *session, uint64_t now_ns, bool all)
{
	struct stat_run *run = session->model;
	struct tcpdwell_counters counters;
	struct report report = { .session = session };
	uint64_t lost;
	int err = run->all ? stat_table_merge(run->all, run->recent) : 0;

	if (err)
		return failure_errno(session->failure, "cannot sum up", -err);
	loader_counters(session->loader, &counters);
	lost = counters.lost_ring + counters.lost_map;
	report.view = view_of(session, now_ns, all, lost);
	err = session_show(session, print, &report);
	run->counted = session->handed;
	stat_table_clear(run->recent);
	run->report_ns = now_ns;
	run->lost = lost;
	return err;
}

static int stat_render(struct session *session)
{
	return take(session) ?: show(session, clock_now_ns(), wants_all(session->options));
}

struct account {
	const struct session *session;
	const struct summary *summary;
};

static int print_account(FILE *out, const void *context)
{
	const struct account *account = context;

	stat_json_account(out, account->summary, !loader_sums(account->session->loader));
	return 0;
}

/*
 * Shows the last report: what came since the one before. On a terminal it covers all since the
 * start, and stays readable.
 */
static int stat_finish(struct session *session, const struct summary *summary)
{
	const struct account account = { session, summary };
	bool all = session->in_place || wants_all(session->options);

	if (show(session, session->told_ns, all))
		return -1;
	if (session->options->format != FORMAT_JSON)
		return 0;
	return session_show(session, print_account, &account);
}

static void stat_release(struct session *session)
{
	struct stat_run *run = session->model;

	stat_table_free(run->recent);
	stat_table_free(run->all);
	stat_names_free(run->names);
	free(run);
}

const struct command_ops stat_command = {
	.wants = stat_wants,
	.start = stat_start,
	.event = stat_event,
	.tick = stat_tick,
	.render = stat_render,
	.finish = stat_finish,
	.free = stat_release,
};
