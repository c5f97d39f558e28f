// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "run/trace.h"

struct trace {
	struct sink *sink;
	bool begun; /* the header was written */
};

static void trace_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	const struct options *options = session->options;

	capture->rows = true;
	wants->watch = true;
	wants->names = options->wide || options->format != FORMAT_TABLE;
	wants->snapshot = !options->no_snapshot;
}

static struct sink *make_sink(const struct session *session)
{
	const struct style style = session_style(session);

	switch (session->options->format) {
	case FORMAT_JSON:
		return sink_json_new(&style);
	case FORMAT_CSV:
		return sink_csv_new(&style);
	default:
		return sink_table_new(&style);
	}
}

static int trace_start(struct session *session)
{
	struct trace *trace = session->model = calloc(1, sizeof(*trace));

	if (!trace)
		return session_cannot_start(session, errno);
	trace->sink = make_sink(session);
	return trace->sink ? 0 : session_cannot_start(session, errno);
}

static int trace_event(struct session *session, const struct event *event)
{
	const struct trace *trace = session->model;
	const struct tcpdwell_transition *t = event->transition;
	struct names names;

	session_names(session, t->cgroup_id, t->netns, t->time_ns, &names);
	trace->sink->ops->event(trace->sink, t, &names);
	return 0;
}

static int trace_tick(struct session *session)
{
	struct trace *trace = session->model;

	if (!trace->begun)
		trace->sink->ops->start(trace->sink);
	trace->begun = true;
	trace->sink->ops->tick(trace->sink);
	return 0;
}

static int trace_finish(struct session *session, const struct summary *summary)
{
	const struct trace *trace = session->model;

	trace->sink->ops->finish(trace->sink, summary);
	return 0;
}

static void trace_free(struct session *session)
{
	struct trace *trace = session->model;

	if (trace->sink)
		trace->sink->ops->free(trace->sink);
	free(trace);
}

const struct command_ops trace_command = {
	.wants = trace_wants,
	.start = trace_start,
	.event = trace_event,
	.tick = trace_tick,
	.finish = trace_finish,
	.free = trace_free,
};
