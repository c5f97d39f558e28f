// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "host/procfs_process.h"
#include "host/resolve.h"
#include "kernel/feature.h"
#include "kernel/loader.h"
#include "model/findings.h"
#include "model/gather.h"
#include "model/odometer.h"
#include "model/sockets.h"
#include "run/diagnose.h"
#include "run/survey.h"
#include "view/diagnosis.h"

/* The default time between two looks of --watch. */
#define LOOK_NS 5000000000ULL

/* What is not seen if nothing can be traced. */
#define UNTRACED "how connections end, and calls that fail"

/* How long it looks by default, without --watch. */
#define SPAN_NS 10000000000ULL

/* Rows are taken this often: they are only summed, so nobody waits for one. */
#define TAKE_NS 1000000000ULL

/* What the host says about the process and the place that a finding names. */
struct shown {
	struct procfs_process process;
	struct finding_context context;
};

struct diagnose {
	struct gather *gather;
	struct sockets *sockets;
	struct findings *findings; /* of the last look */
	struct shown *shown;	   /* one for each finding */
	struct facts facts;
	struct survey survey;
	struct odometer *odometer; /* how failed calls grow; NULL: there is only one look */
	size_t listeners;
	uint32_t netns;	   /* the namespace that is looked at; 0: all */
	uint64_t start_ns; /* when this look, or with --watch this interval, began */
	char hidden[512];
	struct diagnosis_diff *diff; /* for --watch into a pipe; NULL: not used */
	uint64_t looked_ns;
};

static void diagnose_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	const struct options *options = session->options;

	capture->rows = true;
	capture->ends = true;
	capture->scope = true;
	capture->failed_calls = true;
	capture->sockets = CAPTURE_SOCKETS_DETAILED;
	if (!options->watch)
		wants->duration_ns = SPAN_NS;
	wants->watch = true;
	wants->snapshot = true;
	wants->looks = true;
	wants->rows_optional = true;
	wants->reports = true;
	wants->floods = true;
	wants->report_ns = options->watch ? options->report_ns ?: LOOK_NS : 0;
	wants->pace_ns = TAKE_NS;
}

static int fail(struct session *session, int err)
{
	return failure_errno(session->failure, "cannot look at this host", -err);
}

static int diagnose_start(struct session *session)
{
	struct diagnose *d = session->model = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return fail(session, -errno);
	d->gather = gather_new();
	d->sockets = sockets_new();
	if (!d->gather || !d->sockets)
		return fail(session, -errno);
	if (session->options->watch) {
		d->odometer = odometer_new();
		if (!d->odometer)
			return fail(session, -errno);
	}
	if (session->options->watch && !session->in_place &&
	    session->options->format == FORMAT_TABLE) {
		d->diff = diagnosis_diff_new();
		if (!d->diff)
			return fail(session, -errno);
	}
	if (resolve_netns(&session->options->filters.netns, &d->netns, session->failure))
		return -1;
	gather_narrow(d->gather, &session->options->filters);
	d->start_ns = clock_now_ns();
	err = survey_begin(session, d->gather, d->netns, &d->survey);
	if (err)
		return fail(session, err);
	/* It would find nothing wrong, because it looked at nothing. */
	if (!d->survey.namespaces)
		return failure_set(session->failure, STATUS_HOST,
				   "--netns: there is no network namespace %" PRIu32 " to enter",
				   d->netns);
	/* Else the last line of the report says it. */
	if (!session->wants.watch && (d->diff || session->options->format == FORMAT_JSON))
		notice_print(session->notice, NOTICE_WARNING, "not seen: " UNTRACED);
	return 0;
}

static int diagnose_event(struct session *session, const struct event *event)
{
	struct diagnose *d = session->model;
	int err = event->kind == EVENT_TRANSITION ? gather_end(d->gather, event->transition) : 0;

	return err ? fail(session, err) : 0;
}

/* Notes the listeners that send SYN cookies now. The session knows them for a second only. */
static int diagnose_tick(struct session *session)
{
	const struct diagnose *d = session->model;
	int err = 0;

	for (unsigned int i = 0; i < session->cookies.count && !err; i++) {
		const struct tcpdwell_cookies *who = &session->cookies.floods[i].who;

		if (!d->netns || who->netns == d->netns)
			err = gather_cookies(d->gather, who);
	}
	return err ? fail(session, err) : 0;
}

/* ---- A look ---- */

static int take_failed_call(void *context, const struct tcpdwell_failed_call *call,
			    const struct tcpdwell_failed_calls *calls)
{
	struct diagnose *d = context;
	uint64_t key = odometer_key(0, call, sizeof(*call));
	uint64_t grew = d->odometer ? odometer_grew(d->odometer, key, calls->count) : calls->count;
	const struct fact_failure failure = gather_failure_of(call, calls, grew);

	if (!grew) {
		odometer_forget(d->odometer, key);
		return LOADER_FORGET;
	}
	return gather_failure(d->gather, &failure);
}

/* Fills @shown with what the host says about the process and the namespace of @finding. */
static void describe(struct session *session, const struct finding *finding, struct shown *shown)
{
	const struct diagnose *d = session->model;

	*shown = (struct shown){};
	shown->context.netns = facts_netns(&d->facts, finding->at.netns);
	if (!shown->context.netns && d->facts.netns_count)
		shown->context.netns = &d->facts.namespaces[0];
	if (!finding->owner.pid)
		return;
	session_process(session, finding->owner.pid, finding->owner.comm, &shown->process);
	shown->context.command = shown->process.command;
	container_texts(&shown->process.container, shown->context.texts);
	shown->context.pod_uid = shown->process.container.pod_uid;
}

static int describe_all(struct session *session)
{
	struct diagnose *d = session->model;

	free(d->shown);
	d->shown = calloc(findings_count(d->findings) + 1, sizeof(*d->shown));
	if (!d->shown)
		return -1;
	for (size_t i = 0; i < findings_count(d->findings); i++)
		describe(session, findings_at(d->findings, i), &d->shown[i]);
	return 0;
}

static int look(struct session *session)
{
	struct diagnose *d = session->model;
	int err;

	err = survey_look(session, d->gather, d->netns, &d->survey);
	if (err)
		return fail(session, err);
	if (session_walk(session, d->sockets))
		return -1;
	d->looked_ns = clock_now_ns();
	if (d->odometer)
		odometer_look(d->odometer);
	err = survey_failed_calls(session, d->netns, take_failed_call, d);
	if (!err)
		err = gather_facts(d->gather, d->sockets, d->looked_ns, d->looked_ns - d->start_ns,
				   session->options->leak_ns, &d->facts);
	if (err)
		return fail(session, err);
	d->facts.accepts_known = session->loader &&
				 features_have(loader_features(session->loader), FEATURE_CALLS);
	survey_processes(session, d->gather);
	d->listeners = 0;
	for (size_t i = 0; i < d->facts.socket_count; i++)
		d->listeners += d->facts.sockets[i].state == TCPDWELL_LISTEN;
	findings_free(d->findings);
	d->findings = findings_new(&d->facts);
	return d->findings && !describe_all(session) ? 0 : fail(session, -errno);
}

/* ---- What is shown ---- */

/* Names what this kernel does not let the tool see. NULL: nothing is hidden. */
static const char *hidden_from(const struct session *session)
{
	struct diagnose *d = session->model;

	if (!session->loader)
		return UNTRACED " (there is no BPF)";
	loader_missing(session->loader, d->hidden, sizeof(d->hidden));
	return d->hidden[0] ? d->hidden : NULL;
}

static struct diagnosis diagnosis_of(const struct session *session)
{
	const struct diagnose *d = session->model;

	return (struct diagnosis){
		.span_ns = d->facts.span_ns,
		.sockets = d->facts.socket_count,
		.listeners = d->listeners,
		.namespaces = d->survey.namespaces,
		.closed = d->survey.closed,
		.lost = gather_lost(d->gather),
		.hidden = hidden_from(session),
	};
}

static int print(FILE *out, const void *context)
{
	const struct session *session = context;
	const struct diagnose *d = session->model;
	const struct diagnosis diagnosis = diagnosis_of(session);
	bool json = session->options->format == FORMAT_JSON;

	for (size_t i = 0; i < findings_count(d->findings); i++) {
		const struct finding *finding = findings_at(d->findings, i);
		const struct finding_context *where = &d->shown[i].context;

		if (json)
			finding_print_json(out, finding, where,
					   clock_wall_ns(session->clock, d->looked_ns));
		else
			finding_print(out, finding, where, output_columns() ?: 80);
		if (!json)
			fputc('\n', out);
	}
	if (!json)
		diagnosis_print(out, &diagnosis, findings_count(d->findings));
	return 0;
}

/* Prints a line for each finding that appears or ends; used for --watch into a pipe. */
static int print_diff(FILE *out, const void *context)
{
	const struct session *session = context;
	const struct diagnose *d = session->model;
	uint64_t wall_ns = clock_wall_ns(session->clock, d->looked_ns);
	int err = 0;

	diagnosis_diff_begin(d->diff);
	for (size_t i = 0; i < findings_count(d->findings) && !err; i++) {
		const struct finding *finding = findings_at(d->findings, i);

		err = diagnosis_diff_add(d->diff, out, finding, &d->shown[i].context, wall_ns);
	}
	diagnosis_diff_end(d->diff, out, wall_ns);
	return err;
}

static int show(struct session *session)
{
	const struct diagnose *d = session->model;

	return session_show(session, d->diff ? print_diff : print, session);
}

/*
 * A finding that is over must be absent from the next look. So the next look tells only what has
 * grown since this one.
 */
static int diagnose_render(struct session *session)
{
	struct diagnose *d = session->model;
	int err = look(session) ?: show(session);

	if (err)
		return err;
	err = gather_settle(d->gather);
	d->facts.sockets = NULL;
	d->start_ns = d->looked_ns;
	return err ? fail(session, err) : 0;
}

/*
 * Returns true if finish() must look once more. With --watch the last look may have ended a moment
 * ago. Little can have grown since, so another look would find too little.
 */
static bool needs_last_look(const struct session *session)
{
	const struct diagnose *d = session->model;
	uint64_t past_ns = clock_now_ns() - d->looked_ns;

	if (!d->findings)
		return true;
	return session->end != SESSION_SIGNAL && past_ns > session->wants.report_ns / 2;
}

static int diagnose_finish(struct session *session, const struct summary *summary)
{
	const struct diagnose *d = session->model;
	bool last;
	int err = 0;

	(void)summary;
	/*
	 * Without rows and without --watch, the time between the two looks passes here.
	 */
	if (!session->wants.watch && !session->looks_on &&
	    session_wait(session, session->options->duration_ns ?: SPAN_NS, false) < 0)
		return -1;
	last = needs_last_look(session);
	if (last)
		err = look(session);
	if (!err && (last || session->in_place || !session->wants.report_ns))
		err = show(session);
	if (!err && findings_count(d->findings))
		session->status = STATUS_FOUND;
	return err;
}

static void diagnose_free(struct session *session)
{
	struct diagnose *d = session->model;

	diagnosis_diff_free(d->diff);
	findings_free(d->findings);
	odometer_free(d->odometer);
	free(d->shown);
	sockets_free(d->sockets);
	gather_free(d->gather);
	free(d);
}

const struct command_ops diagnose_command = {
	.wants = diagnose_wants,
	.start = diagnose_start,
	.event = diagnose_event,
	.tick = diagnose_tick,
	.render = diagnose_render,
	.finish = diagnose_finish,
	.free = diagnose_free,
};
