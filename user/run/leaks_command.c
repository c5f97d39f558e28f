// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "host/privilege.h"
#include "host/procfs.h"
#include "kernel/loader.h"
#include "kernel/source_ring.h"
#include "model/leaks.h"
#include "run/events.h"
#include "run/leaks_command.h"
#include "run/shortfall.h"
#include "run/socket_source.h"
#include "run/stack_source.h"
#include "view/leaks_report.h"
#include "view/screen.h"
#include "view/sink.h"

/* Between two looks at the ring. */
#define TAKE_NS 1000000000ULL

/* Between two looks at the sockets, where no option says. */
#define LOOK_NS 1000000000ULL

struct finder {
	struct sink sink; /* takes the rows of what is closed */
	const struct options *options;
	const struct notice *notice;
	struct failure *failure;
	struct leaks_scope scope;
	struct options traced; /* what the loader is asked for */
	struct events *events;
	struct loader *loader;
	struct source_ring *source;
	struct stack_source *stacks; /* NULL: nobody asks */
	struct socket_source look;
	struct sockets *sockets;
	struct leaks *leaks;
	struct clock *clock;
	struct text *text;
	struct screen *screen; /* NULL: not in place on a terminal */
};

static int take_row(struct sink *sink, const struct tcpdwell_transition *t)
{
	leaks_event(((struct finder *)sink)->leaks, t);
	return 0;
}

static const struct sink_ops row_ops = { .event = take_row };

/*
 * ---- Output -------------------------------------------------------------------------------------
 */

static char *render(struct finder *finder, uint64_t now_ns, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);

	if (!out)
		return NULL;
	clock_tick(finder->clock);
	finder->scope.pids_are_proc |= finder->look.by_diag;
	if (finder->options->format == FORMAT_JSON)
		leaks_json(out, finder->leaks, &finder->scope,
			   clock_wall_ns(finder->clock, now_ns));
	else
		leaks_report(out, finder->leaks, &finder->scope);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int show(struct finder *finder, uint64_t now_ns)
{
	size_t len;
	char *text = render(finder, now_ns, &len);
	int err;

	if (!text)
		return -ENOMEM;
	if (finder->screen)
		err = screen_show(finder->screen, text, len);
	else
		err = text_put(finder->text, text, len) ?: text_flush(finder->text);
	free(text);
	return err;
}

/*
 * ---- Looks --------------------------------------------------------------------------------------
 */

/*
 * What came since the last time: rows of what is closed, after those that wait in the kernel. The
 * ring takes a hundred thousand of them in between.
 */
static int take_rows(struct finder *finder)
{
	int count;

	loader_flush(finder->loader, LOADER_WAIT_NS);
	do {
		count = source_ring_consume(finder->source);
	} while (count >= SOURCE_RING_BATCH);
	return count < 0 ? failure_errno(finder->failure, "ring", -count) : 0;
}

/* Takes a snapshot and the rows up to it. Returns 0 or -1 with the failure filled. */
static int look(struct finder *finder)
{
	uint64_t now_ns;
	int err;

	if (socket_source_take(&finder->look, finder->sockets, finder->failure))
		return -1;
	if (finder->source && take_rows(finder))
		return -1;
	if (finder->stacks)
		stack_source_refresh(finder->stacks);
	now_ns = clock_now_ns();
	err = leaks_look(finder->leaks, finder->sockets, &finder->options->filters, now_ns);
	return err ? failure_errno(finder->failure, "cannot look for leaks", -err) : 0;
}

static int look_once(struct finder *finder)
{
	if (look(finder))
		return -1;
	return failure_output(finder->failure, show(finder, clock_now_ns()));
}

/* Without these rows a leak may be one that is slow, or slow may be one that leaks. */
static void print_shortfall(const struct finder *finder)
{
	struct tcpdwell_counters c;

	loader_counters(finder->loader, &c);
	if (c.lost_ring)
		notice_print(finder->notice, NOTICE_WARNING,
			     "%" PRIu64 " closed sockets were missed: the ring was full; see "
			     "--ring-size",
			     (uint64_t)c.lost_ring);
	shortfall_print(finder->notice, c.untracked, loader_missed(finder->loader));
}

static int watch(struct finder *finder)
{
	uint64_t start_ns = clock_now_ns(), next_ns = start_ns;
	const uint64_t duration_ns = finder->options->duration_ns;
	uint64_t end_ns = duration_ns ? start_ns + duration_ns : EVENTS_FOREVER;

	for (;;) {
		uint64_t now_ns;
		int events, err;

		if (look(finder))
			return -1;
		err = show(finder, clock_now_ns());
		if (err)
			return failure_output(finder->failure, err);
		now_ns = clock_now_ns();
		if (now_ns >= end_ns)
			return 0;
		next_ns = now_ns + (finder->options->report_ns ?: LOOK_NS);
		do {
			uint64_t until_ns = next_ns < end_ns ? next_ns : end_ns;

			if (until_ns > now_ns + TAKE_NS)
				until_ns = now_ns + TAKE_NS;
			events = events_wait(finder->events,
					     until_ns > now_ns ? until_ns - now_ns : 0);
			if (events < 0)
				return failure_errno(finder->failure, "epoll", -events);
			if (events & (EVENT_STOP | EVENT_HANGUP))
				return 0;
			if (take_rows(finder))
				return -1;
			now_ns = clock_now_ns();
		} while (now_ns < next_ns && now_ns < end_ns);
	}
}

/*
 * ---- Start --------------------------------------------------------------------------------------
 */

/* Of transitions, those out of the states are all that is asked for. */
static void set_scope(struct finder *finder)
{
	const struct options *options = finder->options;

	finder->scope = (struct leaks_scope){
		.states = options->filters.either ?: 1U << TCPDWELL_CLOSE_WAIT,
		.older_ns = options->leak_ns,
		.top = options->top,
		.root = "",
		/* Numbers are the kernel's but where /proc is all there is. */
		.pids_are_proc = procfs_pids_are_the_kernels(""),
	};
	finder->traced = *options;
	finder->traced.filters.either = 0;
	finder->traced.filters.from = finder->scope.states;
}

/* To look once takes no programs; to watch does. */
static int open_look(struct finder *finder)
{
	finder->look.options = &finder->traced;
	finder->look.notice = finder->notice;
	if (socket_source_open(&finder->look, finder->failure))
		return -1;
	finder->loader = finder->look.loader;
	if (finder->loader || !finder->options->watch)
		return 0;
	*finder->failure = finder->look.why;
	return -1;
}

static int start(struct finder *finder)
{
	const struct options *options = finder->options;
	const struct privilege_needs needs = {
		.user = options->user,
		.makes_maps = true, /* for what a look finds */
		.looks_again = true,
	};

	if (privilege_plan(&needs, finder->failure))
		return -1;
	finder->events = events_new(STDOUT_FILENO);
	finder->clock = clock_new();
	finder->sockets = sockets_new();
	finder->leaks = leaks_new(finder->scope.states, finder->scope.older_ns);
	if (!finder->events || !finder->clock || !finder->sockets || !finder->leaks)
		return failure_errno(finder->failure, "cannot start", errno);
	finder->text = text_new(STDOUT_FILENO, TEXT_REPORT_BYTES, events_stop_fd(finder->events));
	if (!finder->text)
		return failure_errno(finder->failure, "cannot start", errno);
	if (options->stacks) {
		finder->stacks = stack_source_new(finder->scope.root,
						  events_stop_fd(finder->events), finder->notice);
		if (!finder->stacks)
			return failure_errno(finder->failure, "cannot start", errno);
	}
	if (open_look(finder))
		return -1;
	if (finder->stacks && finder->loader) {
		stack_source_set_loader(finder->stacks, finder->loader);
		leaks_set_stacks(finder->leaks, stack_source_find, finder->stacks);
	}
	if (!options->watch)
		return 0;
	if (loader_attach(finder->loader, finder->failure))
		return -1;
	finder->source = source_ring_new(loader_ring(finder->loader), &finder->sink, 0);
	if (!finder->source)
		return failure_errno(finder->failure, "cannot map the ring", errno);
	if (isatty(STDOUT_FILENO) && options->format == FORMAT_TABLE)
		finder->screen = screen_new(STDOUT_FILENO, finder->text);
	if (privilege_drop(finder->notice, finder->failure))
		return -1;
	notice_print(finder->notice, NOTICE_STATUS, "tracing…");
	return 0;
}

int leaks_command_run(const struct options *options, const struct notice *notice,
		      struct failure *failure)
{
	struct finder finder = {
		.sink.ops = &row_ops,
		.options = options,
		.notice = notice,
		.failure = failure,
	};
	bool in_place;
	int err;

	set_scope(&finder);
	err = start(&finder);
	if (!err && options->watch)
		err = watch(&finder);
	else if (!err)
		err = look_once(&finder);
	in_place = finder.screen;
	screen_free(finder.screen);
	finder.screen = NULL;
	if (!err && in_place)
		show(&finder, clock_now_ns()); /* what was in place stays to be read */
	if (!err && options->watch)
		print_shortfall(&finder);
	if (!err && leaks_found(finder.leaks))
		err = LEAKS_FOUND;
	stack_source_free(finder.stacks);
	source_ring_free(finder.source);
	loader_free(finder.loader);
	text_free(finder.text);
	leaks_free(finder.leaks);
	sockets_free(finder.sockets);
	clock_free(finder.clock);
	events_free(finder.events);
	return err;
}
