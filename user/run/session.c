// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "host/program.h"
#include "host/steward.h"
#include "kernel/loader.h"
#include "kernel/source_ring.h"
#include "run/account.h"
#include "run/session_inside.h"

int session_cannot_start(struct session *s, int err)
{
	return failure_errno(s->failure, "cannot start", err);
}

/*
 * Returns how important the account is: a user who gets less than was asked for sees it in any
 * case.
 */
static enum notice_level account_level(const struct session *s)
{
	int err = output_error(s->output);

	if (err == -EPIPE) /* whoever closes the pipe has what was wanted */
		return NOTICE_DETAIL;
	if (err || s->cut)
		return NOTICE_WARNING;
	return s->options->format == FORMAT_JSON ? NOTICE_DETAIL : NOTICE_STATUS;
}

/*
 * Hands on all that was traced. If rows were dropped because nobody read the output, it notes that,
 * and there is room for the last words.
 */
static int drain(struct session *s)
{
	if (session_takes_rows(s) && session_take_all_rows(s))
		return -1;
	if ((!s->wants.reports || !capture_uses_ring(&s->capture)) && s->command->tick &&
	    s->command->tick(s))
		return -1;
	if (output_error(s->output) == -ECANCELED)
		s->cut = true;
	return 0;
}

/* Says what is missing at the end of an output that was cut. */
static const char *unwritten(const struct session *s)
{
	if (s->wants.reports)
		return "report is";
	return capture_uses_ring(&s->capture) ? "rows are" : "lines are";
}

static int finish(struct session *s)
{
	struct summary summary = {};
	bool rows_cut;
	int err;

	if (s->wants.watch) {
		session_stop(s, SESSION_SIGNAL, DRAIN_NS);
		if (drain(s))
			return -1;
		summary = session_account(s);
	}
	rows_cut = s->cut;
	s->cut = false;
	s->last_words = true;
	output_leave_place(s->output);
	text_resume(output_text(s->output));
	if (s->command->finish(s, &summary))
		return -1;
	err = output_error(s->output);
	s->cut = rows_cut || err == -ECANCELED;
	if (s->cut)
		notice_print(s->notice, NOTICE_WARNING,
			     "stopped while nobody read the output: its last %s not written",
			     unwritten(s));
	if (s->wants.reports && s->wants.watch)
		summary = session_account(s);
	if (s->wants.watch)
		account_print(s->notice, &summary, !capture_uses_ring(&s->capture),
			      account_level(s));
	return failure_output(s->failure, err);
}

int session_show(struct session *s, output_render *render, const void *context)
{
	int err = output_report(s->output, render, context);

	if (err && !output_error(s->output))
		return failure_errno(s->failure, "cannot report", -err);
	return 0;
}

struct style session_style(const struct session *s)
{
	return (struct style){
		.text = output_text(s->output),
		.wide = s->options->wide,
		.wall_time = s->options->wall_time,
		.since_start = s->options->since_start,
		.utc = s->options->utc,
		.tty = output_is_terminal(),
		.columns = output_columns(),
		.clock = s->clock,
	};
}

int session_wait(struct session *s, uint64_t ns, bool or_asked)
{
	uint64_t now_ns = clock_now_ns(), until_ns = now_ns + ns;

	events_take_stops(s->events);
	while (now_ns < until_ns) {
		int wakes = events_wait(s->events, until_ns - now_ns);

		if (wakes < 0)
			return failure_errno(s->failure, "epoll", -wakes);
		if (wakes & (WAKE_STOP | WAKE_HANGUP))
			return 1;
		if (or_asked && wakes & WAKE_REPORT)
			return 0;
		now_ns = clock_now_ns();
	}
	return 0;
}

static void name_sockets(const struct session *s, struct sockets *sockets)
{
	uint64_t now_ns = clock_now_ns();
	struct names names;

	for (size_t i = 0; s->names && i < sockets_count(sockets); i++) {
		session_names(s, sockets_at(sockets, i)->info.cgroup_id, 0, now_ns, &names);
		sockets_set_cgroup(sockets, i, names.cgroup);
	}
}

int session_walk(struct session *s, struct sockets *sockets)
{
	if (socket_source_take(&s->look, sockets, s->failure))
		return -1;
	name_book_tidy(s->names); /* names of the sockets of the look before */
	name_sockets(s, sockets);
	return session_takes_rows(s) ? session_take_paced_rows(s) : 0;
}

int session_walk_each(struct session *s, socket_source_found *found, socket_source_anew *anew,
		      void *context)
{
	name_book_tidy(s->names); /* those of the sockets before */
	if (socket_source_each(&s->look, found, anew, context, s->failure))
		return -1;
	return session_takes_rows(s) ? session_take_paced_rows(s) : 0;
}

void session_process(struct session *s, uint32_t pid, const char *comm,
		     struct procfs_process *process)
{
	if (s->steward)
		steward_process(s->steward, pid, comm, process);
	else
		memset(process, 0, sizeof(*process));
}

void session_names(const struct session *s, uint64_t cgroup_id, uint32_t netns, uint64_t time_ns,
		   struct names *names)
{
	name_book_find(s->names, cgroup_id, netns, time_ns, names);
}

int session_run(const struct command_ops *command, const struct options *options,
		const struct notice *notice, struct failure *failure)
{
	struct session s = {
		.options = options,
		.notice = notice,
		.failure = failure,
		.command = command,
	};
	int err = session_set_up(&s);

	if (!err)
		err = session_attach(&s);
	if (!err)
		err = session_begin(&s);
	if (!err)
		err = session_loop(&s);
	if (!err)
		err = finish(&s);
	if (s.model)
		command->free(&s);
	source_ring_free(s.source);
	loader_free(s.loader);
	name_book_free(s.names);
	steward_free(s.steward);
	program_free(s.program);
	output_free(s.output);
	clock_free(s.clock);
	events_free(s.events);
	return err ?: s.status;
}
