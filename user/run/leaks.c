// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "host/procfs.h"
#include "model/leaks.h"
#include "run/capture_options.h"
#include "run/leaks.h"
#include "run/port_ranges.h"
#include "run/stack_source.h"
#include "view/leaks_report.h"

/*
 * The ring is read this often. It has room for the fifty thousand rows that may come meanwhile.
 */
#define TAKE_NS 500000000ULL

/* The default time between two looks at the sockets. */
#define LOOK_NS 1000000000ULL

struct finder {
	struct leaks_scope scope;
	struct stack_source *stacks; /* NULL: --stacks was not given */
	struct sockets *sockets;
	struct leaks *leaks;
	struct ranges *ranges;
	uint64_t looked_ns;
};

static uint16_t states_of(const struct options *options)
{
	return options->filters.either ?: 1U << TCPDWELL_CLOSE_WAIT;
}

/* Of all transitions, only those out of the watched states are asked for. */
static void leaks_wants(struct session *session, struct capture *capture, struct wants *wants)
{
	const struct options *options = session->options;

	capture->filters.either = 0;
	capture->filters.from = states_of(options);
	capture->rows = options->watch;
	/* A connection leaves each state once, but enters and leaves a few of them. */
	if (states_of(options) == 1U << TCPDWELL_CLOSE_WAIT)
		capture_expect_few(capture, options);
	capture->stacks = options->stacks && options->watch;
	capture->sockets = CAPTURE_SOCKETS_TOLD;
	wants->watch = options->watch;
	wants->looks = true;
	wants->files = options->stacks; /* debug files are read */
	wants->reports = true;
	wants->first = true;
	wants->report_ns = options->report_ns ?: LOOK_NS;
	wants->pace_ns = TAKE_NS;
}

/*
 * Names of code are looked up by a separate process, which must be forked while this one is small.
 */
static int leaks_prepare(struct session *session)
{
	struct finder *finder = session->model = calloc(1, sizeof(*finder));

	if (!finder)
		return session_cannot_start(session, errno);
	finder->ranges = port_ranges_take(session);
	if (!session->options->stacks)
		return 0;
	finder->stacks = stack_source_new("", events_stop_fd(session->events), session->notice);
	return finder->stacks ? 0 : session_cannot_start(session, errno);
}

static void describe(void *context, uint32_t pid, const char *comm, struct procfs_process *process)
{
	session_process(context, pid, comm, process);
}

static int leaks_start(struct session *session)
{
	const struct options *options = session->options;
	struct finder *finder = session->model;

	finder->scope = (struct leaks_scope){
		.states = states_of(options),
		.older_ns = options->leak_ns,
		.top = options->top,
		.process = describe,
		.context = session,
		/* PIDs are those of the kernel, unless /proc is all there is. */
		.pids_are_proc = procfs_pids_are_the_kernels(""),
	};
	finder->sockets = sockets_new();
	finder->leaks = leaks_new(finder->scope.states, finder->scope.older_ns);
	if (!finder->sockets || !finder->leaks)
		return session_cannot_start(session, errno);
	leaks_set_ranges(finder->leaks, finder->ranges);
	if (finder->stacks && session->loader) {
		stack_source_set_loader(finder->stacks, session->loader);
		stack_source_set_steward(finder->stacks, session->steward);
		leaks_set_stacks(finder->leaks, stack_source_find, finder->stacks);
	}
	return 0;
}

static int leaks_take(struct session *session, const struct event *event)
{
	const struct finder *finder = session->model;

	leaks_event(finder->leaks, event->transition);
	return 0;
}

/* Looks at the sockets that exist, and takes the rows that came before. */
static int look(struct session *session)
{
	struct finder *finder = session->model;
	int err;

	if (session_walk(session, finder->sockets))
		return -1;
	finder->scope.pids_are_proc |= session->look.by_diag;
	if (finder->stacks)
		stack_source_refresh(finder->stacks);
	finder->looked_ns = clock_now_ns();
	err = leaks_look(finder->leaks, finder->sockets, &session->options->filters,
			 finder->looked_ns);
	return err ? failure_errno(session->failure, "cannot look for leaks", -err) : 0;
}

static int print(FILE *out, const void *context)
{
	const struct session *session = context;
	const struct finder *finder = session->model;

	if (session->options->format == FORMAT_JSON)
		leaks_json(out, finder->leaks, &finder->scope,
			   clock_wall_ns(session->clock, finder->looked_ns));
	else
		leaks_report(out, finder->leaks, &finder->scope);
	return 0;
}

/*
 * Returns true if a file or a pipe already has this report, because the look before found the same.
 */
static bool is_there_already(const struct session *session)
{
	const struct finder *finder = session->model;

	return !session->in_place && session->options->format == FORMAT_TABLE &&
	       leaks_same(finder->leaks);
}

static int leaks_render(struct session *session)
{
	int err = look(session);

	if (err || is_there_already(session))
		return err;
	return session_show(session, print, session);
}

/*
 * Takes a last look if the time is up or there was none. If a signal ends the tool, the last report
 * in place is shown again, so that it stays readable.
 */
static int leaks_finish(struct session *session, const struct summary *summary)
{
	const struct finder *finder = session->model;
	bool looks = !session->wants.watch || session->end == SESSION_TIME;
	int err = 0;

	(void)summary;
	if (looks)
		err = look(session);
	if (!err && (session->in_place || (looks && !is_there_already(session))))
		err = session_show(session, print, session);
	if (leaks_found(finder->leaks))
		session->status = STATUS_FOUND;
	return err;
}

static void leaks_release(struct session *session)
{
	struct finder *finder = session->model;

	stack_source_free(finder->stacks);
	leaks_free(finder->leaks);
	sockets_free(finder->sockets);
	ranges_free(finder->ranges);
	free(finder);
}

const struct command_ops leaks_command = {
	.wants = leaks_wants,
	.prepare = leaks_prepare,
	.start = leaks_start,
	.event = leaks_take,
	.render = leaks_render,
	.finish = leaks_finish,
	.free = leaks_release,
};
