// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "model/census.h"
#include "model/sockets.h"
#include "run/snapshot.h"
#include "view/snapshot_report.h"

static void snapshot_wants(struct session *session, struct options *traced, struct wants *wants)
{
	(void)session;
	(void)traced;
	wants->reports = true;
	wants->looks = true;
}

static int snapshot_start(struct session *session)
{
	session->model = sockets_new();
	return session->model ? 0 : failure_errno(session->failure, "cannot start", errno);
}

/* What is printed, and how. */
struct report {
	const struct session *session;
	const struct census *census;
};

static int print(FILE *out, const void *context)
{
	const struct report *report = context;
	const struct options *options = report->session->options;
	const struct census *census = report->census;

	if (options->listening && options->format == FORMAT_JSON)
		snapshot_json_listeners(out, census);
	else if (options->listening)
		snapshot_report_listeners(out, census);
	else if (options->format == FORMAT_JSON)
		snapshot_json(out, census, clock_wall_ns(report->session->clock, census->now_ns));
	else
		snapshot_report(out, census, options->top);
	return 0;
}

static int snapshot_finish(struct session *session, const struct summary *summary)
{
	const struct options *options = session->options;
	struct census *census;
	int err;

	(void)summary;
	if (session_walk(session, session->model))
		return -1;
	census = census_new(session->model, &options->filters, options->older_ns, clock_now_ns());
	if (!census)
		return failure_errno(session->failure, "cannot count", errno);
	err = session_show(session, print, &(struct report){ session, census });
	census_free(census);
	return err;
}

static void snapshot_free(struct session *session)
{
	sockets_free(session->model);
}

const struct command_ops snapshot_command = {
	.wants = snapshot_wants,
	.start = snapshot_start,
	.finish = snapshot_finish,
	.free = snapshot_free,
};
