// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "host/cgroup.h"
#include "host/privilege.h"
#include "host/program.h"
#include "kernel/loader.h"
#include "kernel/snapshot.h"
#include "kernel/source_stat.h"
#include "model/stat_table.h"
#include "run/events.h"
#include "run/shortfall.h"
#include "run/stat_command.h"
#include "view/screen.h"
#include "view/stat_json.h"
#include "view/stat_report.h"

/* Between two frames in place, where no option says. */
#define FRAME_NS 1000000000ULL

/*
 * Between two looks for mini sockets that flip or end in silence. When that was is told by the mini
 * socket; the queue of those that wait is what must not run full.
 */
#define POLL_NS 1000000000ULL

/* Between two looks at what cgroups rows came from: those that end before a report have a name. */
#define NAMES_NS 1000000000ULL

struct stat_command {
	const struct options *options;
	const struct notice *notice;
	struct failure *failure;
	struct events *events;
	struct clock *clock;
	struct cgroup_names *cgroups;
	struct program *program;
	struct loader *loader;
	struct text *text;
	struct screen *screen;	   /* NULL: not in place on a terminal */
	struct stat_table *recent; /* since the last report */
	struct stat_table *all;	   /* since the start, NULL: nobody asks */
	uint64_t start_ns;
	uint64_t report_ns; /* when the last report was */
	uint64_t counted;   /* rows taken out of the kernel */
	uint64_t lost;	    /* up to the last report */
};

/*
 * ---- Reports ------------------------------------------------------------------------------------
 */

/* A pipe or a file is as wide as is needed. */
static unsigned int columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col ? STAT_WIDE : size.ws_col;
}

/* Asks for the names of cgroups while they are there. */
static void learn_names(struct stat_command *command)
{
	const struct tcpdwell_stat_key *key;
	uint64_t now_ns = clock_now_ns();

	for (size_t i = 0; (key = stat_table_key(command->recent, i)); i++)
		cgroup_names_path(command->cgroups, key->cgroup_id, now_ns);
}

/* Takes what the kernel has summed since the last time. Returns 0 or -1 with the failure filled. */
static int take(struct stat_command *command, uint64_t min_age_ns)
{
	int fd, err;

	loader_flush(command->loader, min_age_ns);
	fd = loader_stat_turn(command->loader);
	if (fd < 0)
		return failure_errno(command->failure, "cannot turn to the other map", -fd);
	err = source_stat_take(fd, command->recent);
	if (err)
		return failure_errno(command->failure, "cannot read the map", -err);
	if (command->cgroups)
		learn_names(command);
	return 0;
}

/* Takes the last that a report is of. Returns 0 or -1 with the failure filled. */
static int take_last(struct stat_command *command, uint64_t min_age_ns)
{
	int err = take(command, min_age_ns);

	if (err)
		return err;
	command->counted += stat_table_rows(command->recent);
	err = command->all ? stat_table_merge(command->all, command->recent) : 0;
	return err ? failure_errno(command->failure, "cannot sum up", -err) : 0;
}

static int render(const struct stat_command *command, FILE *out, const struct stat_view *view)
{
	const struct options *options = command->options;
	const struct stat_style style = {
		.columns = columns(),
		.top = options->top,
		.histogram = options->histogram,
		.utc = options->utc,
	};

	return options->format == FORMAT_JSON ? stat_json(out, view) :
						stat_report(out, view, &style);
}

/* What happened up to @now_ns: since the last report, or since the start. */
static struct stat_view view_of(const struct stat_command *command, uint64_t now_ns, bool all,
				uint64_t lost)
{
	const struct options *options = command->options;

	clock_tick(command->clock);
	return (struct stat_view){
		.table = all ? command->all : command->recent,
		.by = options->by,
		.prefix4 = options->prefix4,
		.prefix6 = options->prefix6,
		.span_ns = now_ns - (all ? command->start_ns : command->report_ns),
		.now_ns = now_ns,
		.wall_ns = clock_wall_ns(command->clock, now_ns),
		.lost = lost - (all ? 0 : command->lost),
		.cgroups = command->cgroups,
	};
}

/* Shows one report, behind the others or in their place. Returns 0 or -errno. */
static int show(struct stat_command *command, uint64_t now_ns, bool all)
{
	struct tcpdwell_counters counters;
	struct stat_view view;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int err;

	if (!out)
		return -errno;
	loader_counters(command->loader, &counters);
	view = view_of(command, now_ns, all, counters.lost_map);
	err = render(command, out, &view);
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (!err && command->screen)
		err = screen_show(command->screen, text, len);
	else if (!err)
		err = text_put(command->text, text, len) ?: text_flush(command->text);
	free(text);
	stat_table_clear(command->recent);
	command->report_ns = now_ns;
	command->lost = counters.lost_map;
	return err;
}

/* Whether a report is of all since the start. */
static bool wants_all(const struct stat_command *command)
{
	return command->options->cumulative || !command->options->report_ns;
}

/*
 * ---- The account --------------------------------------------------------------------------------
 */

/* @counted is what was taken out of the kernel, or what it has counted by now. */
static struct stat_account account(const struct stat_command *command, const uint64_t *counted)
{
	struct tcpdwell_counters c;

	loader_counters(command->loader, &c);
	return (struct stat_account){
		.seen = c.seen,
		.counted = counted ? *counted : c.emitted,
		.undated = c.undated,
		.filtered = c.filtered + c.held,
		.lost_map = c.lost_map,
		.untracked = c.untracked,
		.missed = loader_missed(command->loader),
	};
}

static void print_account(const struct stat_command *command, const struct stat_account *a,
			  enum notice_level level)
{
	notice_print(command->notice, level,
		     "seen %" PRIu64 " = counted %" PRIu64 " + undated %" PRIu64
		     " + filtered %" PRIu64 " + lost %" PRIu64 " (map full)",
		     a->seen, a->counted, a->undated, a->filtered, a->lost_map);
	if (a->lost_map && level != NOTICE_WARNING)
		notice_print(command->notice, NOTICE_WARNING,
			     "%" PRIu64 " rows found no room: see --hist-size and --by",
			     a->lost_map);
	shortfall_print(command->notice, a->untracked, a->missed);
}

static int put_account(const struct stat_command *command, const struct stat_account *a)
{
	char *text = NULL;
	size_t len;
	FILE *out;
	int err;

	if (command->options->format != FORMAT_JSON)
		return 0;
	out = open_memstream(&text, &len);
	if (!out)
		return -errno;
	stat_json_account(out, a);
	err = fclose(out) ? -ENOMEM : 0;
	err = err ?: text_put(command->text, text, len) ?: text_flush(command->text);
	free(text);
	return err;
}

/*
 * ---- Life ---------------------------------------------------------------------------------------
 */

static int start(struct stat_command *command)
{
	const struct options *options = command->options;
	bool in_place = isatty(STDOUT_FILENO) && options->format == FORMAT_TABLE;
	const struct privilege_needs needs = {
		.user = options->user,
		.files = options->by == TCPDWELL_BY_CGROUP,
	};

	if (privilege_plan(&needs, command->failure))
		return -1;
	command->events = events_new(STDOUT_FILENO);
	command->clock = clock_new();
	if (!command->events || !command->clock)
		return failure_errno(command->failure, "cannot start", errno);
	if (options->by == TCPDWELL_BY_CGROUP)
		command->cgroups = cgroup_names_new(""); /* without one, cgroups stay unknown */
	if (options->program) {
		command->program = program_new(options->program, events_old_mask(command->events));
		if (!command->program)
			return failure_errno(command->failure, "cannot fork", errno);
	}
	command->loader = loader_new(options, command->notice, command->failure);
	if (!command->loader)
		return -1;
	command->text = text_new(STDOUT_FILENO, TEXT_REPORT_BYTES, events_stop_fd(command->events));
	command->recent = stat_table_new(loader_stat_size(command->loader), options->by);
	if (!command->text || !command->recent)
		return failure_errno(command->failure, "cannot start", errno);
	if (in_place || wants_all(command)) {
		command->all = stat_table_new(loader_stat_size(command->loader), options->by);
		if (!command->all)
			return failure_errno(command->failure, "cannot start", errno);
	}
	if (in_place) {
		command->screen = screen_new(STDOUT_FILENO, command->text);
		if (!command->screen)
			return failure_errno(command->failure, "cannot start", errno);
	}
	return 0;
}

static int go(struct stat_command *command)
{
	unsigned int closed;
	int err;

	err = command->program ? loader_follow(command->loader, program_pid(command->program)) : 0;
	if (err)
		return failure_errno(command->failure, "cannot follow the program", -err);
	if (loader_attach(command->loader, command->failure))
		return -1;
	if (!command->options->no_snapshot) {
		if (snapshot_take(command->loader, NULL, NULL, &closed, command->failure))
			return -1;
		snapshot_warn(command->notice, closed);
	}
	if (privilege_drop(command->notice, command->failure))
		return -1;
	notice_print(command->notice, NOTICE_STATUS, "tracing…");
	command->start_ns = command->report_ns = clock_now_ns();
	return command->program ? program_go(command->program, command->failure) : 0;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Between two reports, EVENTS_FOREVER: there is one, at the end. */
static uint64_t interval_ns(const struct stat_command *command)
{
	if (command->options->report_ns)
		return command->options->report_ns;
	return command->screen ? FRAME_NS : EVENTS_FOREVER;
}

/* Sleeps until @until_ns or an event. Returns the events or -errno. */
static int wait_until(struct stat_command *command, uint64_t until_ns)
{
	bool polls = loader_polls(command->loader);
	int events = 0;

	while (!events) {
		uint64_t now_ns = clock_now_ns(), wake_ns = until_ns;

		if (now_ns >= until_ns)
			break;
		if (polls)
			wake_ns = earlier(wake_ns, now_ns + POLL_NS);
		events = events_wait(command->events,
				     wake_ns == EVENTS_FOREVER ? EVENTS_FOREVER : wake_ns - now_ns);
		if (polls)
			loader_flush(command->loader, LOADER_WAIT_NS);
	}
	return events;
}

static bool done(const struct stat_command *command, int events, uint64_t now_ns, uint64_t end_ns)
{
	return events & (EVENT_STOP | EVENT_HANGUP) || now_ns >= end_ns ||
	       (command->program && events & EVENT_CHILD && program_ended(command->program));
}

/* Returns 0, -1 with the failure filled, or 1 if there is nobody to go on for. */
static int loop(struct stat_command *command)
{
	const uint64_t step_ns = interval_ns(command), duration_ns = command->options->duration_ns;
	uint64_t end_ns = duration_ns ? command->start_ns + duration_ns : EVENTS_FOREVER;
	uint64_t next_ns = step_ns == EVENTS_FOREVER ? step_ns : command->start_ns + step_ns;

	for (;;) {
		uint64_t names_ns = command->cgroups ? clock_now_ns() + NAMES_NS : EVENTS_FOREVER;
		int events = wait_until(command, earlier(earlier(next_ns, end_ns), names_ns)), err;
		uint64_t now_ns = clock_now_ns();

		if (events < 0)
			return failure_errno(command->failure, "epoll", -events);
		if (done(command, events, now_ns, end_ns))
			return 0;
		if (events & EVENT_REPORT) {
			struct stat_account now = account(command, NULL);

			print_account(command, &now, NOTICE_WARNING);
		}
		if (now_ns < next_ns) {
			if (command->cgroups && take(command, LOADER_WAIT_NS))
				return -1;
			continue;
		}
		if (take_last(command, LOADER_WAIT_NS))
			return -1;
		err = show(command, now_ns, wants_all(command));
		if (err)
			return failure_output(command->failure, err) ?: 1;
		/* In step with the start; what a stopped process has missed is not made up for. */
		while (next_ns <= now_ns)
			next_ns += step_ns;
	}
}

/* The last report is of what came since the one before; what was in place stays to be read. */
static int finish(struct stat_command *command)
{
	bool in_place = command->screen, all = in_place || wants_all(command);
	uint64_t now_ns = clock_now_ns();
	struct stat_account end;
	int err;

	screen_free(command->screen);
	command->screen = NULL;
	loader_detach(command->loader);
	if (take_last(command, 0))
		return -1;
	end = account(command, &command->counted);
	err = show(command, now_ns, all) ?: put_account(command, &end);
	if (err)
		return failure_output(command->failure, err);
	print_account(command, &end,
		      command->options->format == FORMAT_JSON ? NOTICE_DETAIL : NOTICE_STATUS);
	return 0;
}

int stat_command_run(const struct options *options, const struct notice *notice,
		     struct failure *failure)
{
	struct stat_command command = {
		.options = options,
		.notice = notice,
		.failure = failure,
	};
	int err;

	err = start(&command);
	if (!err)
		err = go(&command);
	if (!err)
		err = loop(&command);
	if (!err)
		err = finish(&command);
	screen_free(command.screen);
	stat_table_free(command.recent);
	stat_table_free(command.all);
	loader_free(command.loader);
	program_free(command.program);
	text_free(command.text);
	cgroup_names_free(command.cgroups);
	clock_free(command.clock);
	events_free(command.events);
	return err == 1 ? 0 : err;
}
