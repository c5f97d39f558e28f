// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "host/procfs_process.h"
#include "kernel/loader.h"
#include "model/timewait.h"
#include "run/capture_options.h"
#include "run/timewait.h"
#include "run/timewait_start.h"
#include "view/timewait_json.h"
#include "view/timewait_report.h"

/* The default time between two frames on a terminal. */
#define FRAME_NS 1000000000ULL

struct timewait_run {
	struct timewait *tw;
	struct timewait_scope scope;
	struct timewait_figures figures;
};

/* What is rendered, and when. */
struct report {
	const struct session *session;
	const struct summary *summary; /* NULL: before the end; the text says nothing of losses */
	uint64_t now_ns;
};

_Static_assert(OPTIONS_TOP_MAX <= TIMEWAIT_TOP_MAX, "the figures have room for all");

static void timewait_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	timewait_narrow(&capture->filters);
	capture_expect_few(capture, session->options);
	capture->rows = true;
	capture->port_use = true;
	capture->scope = true;
	capture->sockets = CAPTURE_SOCKETS_TOLD;
	wants->watch = true;
	wants->snapshot = !session->options->no_snapshot;
	wants->records = wants->snapshot;
	wants->timewait = true;
	wants->files = true;
	wants->reports = true;
	wants->first = session->in_place;
	wants->report_ns = session->options->report_ns ?: session->in_place ? FRAME_NS : 0;
}

/* Makes the model early: the records of the snapshot come before start(). */
static int timewait_prepare(struct session *session)
{
	struct timewait_run *run = session->model = calloc(1, sizeof(*run));

	if (run)
		run->tw = timewait_new();
	if (!run || !run->tw)
		return session_cannot_start(session, errno);
	return 0;
}

static int walk(void *source, timewait_found *found, void *context)
{
	return loader_walk(source, TCPDWELL_WALK_ENDS, found, context);
}

static int timewait_start(struct session *session)
{
	struct timewait_run *run = session->model;
	uint64_t now_ns = clock_now_ns();
	/* Without a snapshot no listeners are known, and the walk does not meet listeners. */
	bool walks = !session->options->no_snapshot && loader_can_walk(session->loader);

	timewait_begin(run->tw, now_ns);
	timewait_look(run->tw, &session->options->filters, now_ns, walks ? walk : NULL,
		      session->loader, &run->scope);
	return 0;
}

static int timewait_take(struct session *session, const struct event *event)
{
	const struct timewait_run *run = session->model;

	if (event->kind == EVENT_SOCKET)
		timewait_note(run->tw, event->socket);
	else
		timewait_event(run->tw, event->transition, event->port);
	return 0;
}

/*
 * Reads the settings of the tool's own namespace again: someone may change them during the run.
 * Those of other namespaces cannot be read any more.
 */
static void read_settings_again(struct timewait_run *run)
{
	const struct timewait_netns *own = timewait_own_netns(run->tw);
	struct timewait_netns again;

	if (!own)
		return;
	again = *own;
	if (!ephemeral_read(&again.ephemeral, ""))
		timewait_set_netns(run->tw, &again);
}

/*
 * Marks processes that have ended, since nobody can change those. A process that is not visible
 * here is treated alike, and not named.
 */
static void note_gone(struct timewait_figures *figures)
{
	for (unsigned int i = 0; i < figures->pressure_count; i++) {
		struct timewait_pressure *p = &figures->pressures[i];

		p->gone = !p->pid || !procfs_process_is("", p->pid, p->comm);
	}
}

static int print(FILE *out, const void *context)
{
	const struct report *report = context;
	const struct session *session = report->session;
	const struct timewait_run *run = session->model;

	if (session->options->format == FORMAT_JSON)
		timewait_json(out, &run->figures, &run->scope, report->summary,
			      clock_wall_ns(session->clock, report->now_ns));
	else
		timewait_report(out, &run->figures, &run->scope, report->summary);
	return 0;
}

static int show(struct session *session, const struct summary *summary)
{
	struct timewait_run *run = session->model;
	const struct report report = {
		.session = session,
		.summary = summary,
		.now_ns = clock_now_ns(),
	};

	read_settings_again(run);
	timewait_figures(run->tw, report.now_ns, session->options->top, &run->figures);
	note_gone(&run->figures);
	return session_show(session, print, &report);
}

static int timewait_render(struct session *session)
{
	struct summary so_far;

	if (session->options->format != FORMAT_JSON)
		return show(session, NULL);
	so_far = session_account(session);
	return show(session, &so_far);
}

static void timewait_release(struct session *session)
{
	struct timewait_run *run = session->model;

	timewait_free(run->tw);
	free(run);
}

const struct command_ops timewait_command = {
	.wants = timewait_wants,
	.prepare = timewait_prepare,
	.start = timewait_start,
	.event = timewait_take,
	.render = timewait_render,
	.finish = show,
	.free = timewait_release,
};
