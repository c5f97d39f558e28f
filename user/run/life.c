// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "host/host_name.h"
#include "run/life.h"
#include "view/life_view.h"

struct life_run {
	struct life_view *view;
	bool begun; /* the header was written */
	char host[HOST_NAME_BYTES];
};

static void life_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	const struct options *options = session->options;

	capture->lives = true;
	capture->time_wait = options->time_wait;
	wants->watch = true;
	wants->names = options->format != FORMAT_TABLE;
	wants->snapshot = !options->no_snapshot;
	wants->timewait = options->time_wait;
	wants->open = true; /* also with --no-open: some are over, which nobody has seen */
}

static struct life_view *make_view(const struct session *session, const struct life_run *run)
{
	const struct style style = session_style(session);

	switch (session->options->format) {
	case FORMAT_JSON:
		return life_fields_new(&style, &fields_json);
	case FORMAT_CSV:
		return life_fields_new(&style, &fields_csv);
	case FORMAT_OTLP:
		return life_otlp_new(&style, run->host);
	default:
		return life_table_new(&style);
	}
}

static int life_start(struct session *session)
{
	struct life_run *run = session->model = calloc(1, sizeof(*run));

	if (!run)
		return session_cannot_start(session, errno);
	host_name_read(run->host);
	run->view = make_view(session, run);
	return run->view ? 0 : session_cannot_start(session, errno);
}

static int life_event(struct session *session, const struct event *event)
{
	const struct life_run *run = session->model;
	const struct tcpdwell_connection *c = event->connection;
	struct names names;
	struct life life;

	life_read(&life, c);
	session_names(session, c->cgroup_id, c->netns, c->ended_ns, &names);
	if (life_wanted(&life, &session->options->life))
		run->view->ops->row(run->view, &life, &names);
	else
		session->unwanted++;
	return 0;
}

static int life_tick(struct session *session)
{
	struct life_run *run = session->model;

	if (!run->begun)
		run->view->ops->start(run->view);
	run->begun = true;
	text_flush(output_text(session->output));
	return 0;
}

static int life_finish(struct session *session, const struct summary *summary)
{
	const struct life_run *run = session->model;

	run->view->ops->finish(run->view, summary);
	text_flush(output_text(session->output));
	return 0;
}

static void life_free(struct session *session)
{
	struct life_run *run = session->model;

	if (run->view)
		run->view->ops->free(run->view);
	free(run);
}

const struct command_ops life_command = {
	.wants = life_wants,
	.start = life_start,
	.event = life_event,
	.tick = life_tick,
	.finish = life_finish,
	.free = life_free,
};
