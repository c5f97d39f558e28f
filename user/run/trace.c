// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/cgroup.h"
#include "host/privilege.h"
#include "host/program.h"
#include "kernel/loader.h"
#include "kernel/snapshot.h"
#include "kernel/source_ring.h"
#include "run/events.h"
#include "run/shortfall.h"
#include "run/sink_timewait.h"
#include "run/trace.h"
#include "view/sink.h"

/*
 * While rows come, the ring is looked at this often: nothing is older than 100 ms when it is shown,
 * and no record pays for a wake-up. Held rows are let go at the first look after
 * LOADER_WAIT_NS.
 */
#define TICK_NS 40000000ULL

/* After so long without a row the reader sleeps until the kernel side wakes it. */
#define IDLE_NS 1000000000ULL

/* A flood is reported this often. */
#define FLOOD_NS 1000000000ULL

/* A step's answer: there is nobody to go on for, which is no failure. */
#define STOPPED 1

struct trace {
	const struct options *options;
	const struct notice *notice;
	struct loader *loader;
	struct source_ring *source;
	struct sink *sink;
	struct events *events;
	struct program *program;
	struct clock *clock;
	struct cgroup_names *cgroups;
	uint64_t end_ns; /* -d, EVENTS_FOREVER: none */
	uint64_t last_flood_ns;
	uint64_t last_row_ns; /* when the ring last held something */
	bool more;	      /* the ring held more than one look takes */
	bool waiting;	      /* rows wait for loader_flush() */
};

static unsigned int terminal_columns(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

static struct sink *make_sink(const struct trace *trace)
{
	const struct options *options = trace->options;
	struct style style = {
		.fd = STDOUT_FILENO,
		.stop_fd = events_stop_fd(trace->events),
		.wide = options->wide,
		.wall_time = options->wall_time,
		.since_start = options->since_start,
		.utc = options->utc,
		.tty = isatty(STDOUT_FILENO),
		.columns = terminal_columns(STDOUT_FILENO),
		.clock = trace->clock,
		.cgroups = trace->cgroups,
	};

	if (options->command == COMMAND_TIMEWAIT)
		return sink_timewait_new(&style, options);
	switch (options->format) {
	case FORMAT_JSON:
		return sink_json_new(&style);
	case FORMAT_CSV:
		return sink_csv_new(&style);
	default:
		return sink_table_new(&style);
	}
}

static int output_result(const struct trace *trace, struct failure *failure, int err)
{
	if (err == -ECANCELED)
		notice_print(trace->notice, NOTICE_WARNING,
			     "stopped while nobody read the output: its last rows are not written");
	return failure_output(failure, err);
}

static int start(struct trace *trace, struct failure *failure)
{
	const struct options *options = trace->options;
	const struct privilege_needs needs = {
		.user = options->user,
		.files = options->command == COMMAND_TIMEWAIT || options->wide ||
			 options->format != FORMAT_TABLE,
	};

	if (privilege_plan(&needs, failure))
		return -1;
	trace->events = events_new(STDOUT_FILENO);
	trace->clock = clock_new();
	if (!trace->events || !trace->clock)
		return failure_errno(failure, "cannot start", errno);
	if (options->wide || options->format != FORMAT_TABLE)
		trace->cgroups = cgroup_names_new(""); /* without one, cgroups stay unknown */
	trace->sink = make_sink(trace);
	if (!trace->sink)
		return failure_errno(failure, "cannot start", errno);
	if (options->program) {
		trace->program = program_new(options->program, events_old_mask(trace->events));
		if (!trace->program)
			return failure_errno(failure, "cannot fork", errno);
	}
	trace->loader = loader_new(options, trace->notice, failure);
	if (!trace->loader)
		return -1;
	return 0;
}

/* What the kernel lets be attached decides which ring there is, and what is seen. */
static int attach(struct trace *trace, struct failure *failure)
{
	const struct options *options = trace->options;

	if (loader_attach(trace->loader, failure))
		return -1;
	if (options->command == COMMAND_TIMEWAIT && !loader_sees_timewait(trace->loader))
		return failure_set(failure, STATUS_HOST,
				   "TIME_WAIT is not seen%s: see `tcpdwell probe`",
				   options->backend == BACKEND_NONE ? " with --backend none" :
								      " on this kernel");
	trace->source = source_ring_new(loader_ring(trace->loader), trace->sink, options->count);
	if (!trace->source)
		return failure_errno(failure, "cannot map the ring", errno);
	if (events_watch_source(trace->events, source_ring_fd(trace->source)))
		return failure_errno(failure, "cannot watch the ring", errno);
	return 0;
}

/* What exists gets its owner and the least of its dwell. Live events that come meanwhile win. */
static int take_snapshot(struct trace *trace, struct failure *failure)
{
	unsigned int closed;

	if (trace->options->no_snapshot)
		return 0;
	if (snapshot_take(trace->loader, NULL, NULL, &closed, failure))
		return -1;
	snapshot_warn(trace->notice, closed);
	return 0;
}

static int go(struct trace *trace, struct failure *failure)
{
	int err;

	err = trace->program ? loader_follow(trace->loader, program_pid(trace->program)) : 0;
	if (err)
		return failure_errno(failure, "cannot follow the program", -err);
	if (attach(trace, failure))
		return -1;
	trace->last_flood_ns = clock_now_ns();
	if (take_snapshot(trace, failure))
		return -1;
	clock_set_start(trace->clock, clock_now_ns());
	/* A sink may look around at its start, for which it needs the privileges. */
	err = trace->sink->ops->start(trace->sink);
	if (!err)
		err = trace->sink->ops->tick(trace->sink);
	if (err)
		return output_result(trace, failure, err) ?: STOPPED;
	if (privilege_drop(trace->notice, failure))
		return -1;
	notice_print(trace->notice, NOTICE_STATUS, "tracing…");
	trace->last_row_ns = clock_now_ns();
	trace->end_ns = trace->options->duration_ns ?
				trace->last_row_ns + trace->options->duration_ns :
				EVENTS_FOREVER;
	return trace->program ? program_go(trace->program, failure) : 0;
}

/* One line a second for what would be a hundred thousand rows. */
static void report_flood(struct trace *trace, uint64_t now_ns)
{
	uint64_t past_ns = now_ns - trace->last_flood_ns, all;
	struct tcpdwell_flood flood;
	uint16_t port;

	if (past_ns < FLOOD_NS)
		return;
	trace->last_flood_ns = now_ns;
	if (!loader_take_flood(trace->loader, &flood, &port))
		return;
	all = flood.folded + flood.completed;
	notice_print(trace->notice, NOTICE_STATUS,
		     "SYN_RECV: %" PRIu64 "/s to :%u, %u%% never complete",
		     all * 1000000000 / past_ns, port, (unsigned int)(flood.folded * 100 / all));
}

/* Takes and prints what there is. Returns 0 or -errno of the output. */
static int turn(struct trace *trace, uint64_t now_ns)
{
	int count;

	clock_tick(trace->clock);
	if (trace->waiting || now_ns - trace->last_row_ns < IDLE_NS)
		trace->waiting = loader_flush(trace->loader, LOADER_WAIT_NS) > 0;
	count = source_ring_consume(trace->source);
	if (count < 0)
		return count;
	if (count)
		trace->last_row_ns = now_ns;
	trace->more = count >= SOURCE_RING_BATCH;
	report_flood(trace, now_ns);
	return trace->sink->ops->tick(trace->sink);
}

/* How long the loop may sleep; also tells the kernel side whether it must wake us. */
static uint64_t sleep_ns(struct trace *trace, uint64_t now_ns)
{
	uint64_t left_ns = trace->end_ns == EVENTS_FOREVER ? EVENTS_FOREVER :
			   trace->end_ns > now_ns	   ? trace->end_ns - now_ns :
							     0;

	if (trace->more)
		return 0;
	if (trace->waiting || now_ns - trace->last_row_ns < IDLE_NS)
		return left_ns < TICK_NS ? left_ns : TICK_NS;
	/* What is shown in place moves on by itself. */
	if (trace->options->command == COMMAND_TIMEWAIT && left_ns > trace->options->interval_ns)
		return trace->options->interval_ns;
	return left_ns;
}

/*
 * Asks the kernel side to wake us, then looks once more for what came just before it heard. Returns
 * whether there was nothing.
 */
static bool may_sleep(struct trace *trace)
{
	loader_reader_sleeps(trace->loader, true);
	trace->waiting = loader_flush(trace->loader, LOADER_WAIT_NS) > 0;
	/*
	 * Rows, or an error of the output, are the next turn's. A wake-up that came meanwhile is
	 * gone with this look at the ring, and has taken back what was asked for.
	 */
	if (!trace->waiting && !source_ring_consume(trace->source) &&
	    loader_reader_is_asleep(trace->loader))
		return true;
	loader_reader_sleeps(trace->loader, false);
	trace->last_row_ns = clock_now_ns();
	return false;
}

/*
 * The accounting of the run so far. What the kernel side has emitted by now is taken out of the
 * ring first, so that every row seen is somewhere. A row that waits is not seen yet, or the numbers
 * would not only grow; at the end it waits for nothing any more, and nobody wants it.
 */
static int summarize(struct trace *trace, bool end, struct summary *summary)
{
	struct tcpdwell_counters c;
	uint64_t not_printed, overdue;
	int err;

	loader_flush(trace->loader, 0);
	loader_counters(trace->loader, &c);
	/* Of a request that a flood folded the first row is counted with the last. */
	overdue = c.folded ? loader_overdue(trace->loader) : 0;
	c.seen += overdue;
	do {
		err = source_ring_consume(trace->source);
		if (err < 0)
			return err;
	} while (source_ring_taken(trace->source) < c.emitted);
	not_printed = source_ring_taken(trace->source) - source_ring_printed(trace->source);
	if (c.emitted < source_ring_taken(trace->source)) /* rows that came meanwhile */
		c.seen += source_ring_taken(trace->source) - c.emitted;
	*summary = (struct summary){
		.seen = c.seen - (end ? 0 : c.held),
		.printed = source_ring_printed(trace->source),
		.filtered = c.filtered + (end ? c.held : 0) + not_printed,
		.folded = c.folded + overdue,
		.lost_ring = c.lost_ring,
		.lost_map = c.lost_map,
		.untracked = c.untracked,
		.missed = loader_missed(trace->loader) + overdue,
	};
	return 0;
}

static void print_summary(const struct trace *trace, const struct summary *s,
			  enum notice_level level)
{
	char folded[32] = "";

	if (s->folded)
		snprintf(folded, sizeof(folded), " + folded %" PRIu64, s->folded);
	notice_print(trace->notice, level,
		     "seen %" PRIu64 " = printed %" PRIu64 " + filtered %" PRIu64
		     "%s + lost %" PRIu64 " (ring full %" PRIu64 ", map full %" PRIu64 ")",
		     s->seen, s->printed, s->filtered, folded, s->lost_ring + s->lost_map,
		     s->lost_ring, s->lost_map);
	shortfall_print(trace->notice, s->untracked, s->missed);
	if (s->lost_ring && level != NOTICE_WARNING)
		notice_print(trace->notice, NOTICE_WARNING,
			     "%" PRIu64 " rows lost: the reader was too slow for the ring; see "
			     "--ring-size and the filters",
			     s->lost_ring);
}

/* Whether the loop has done what was asked for. */
static bool done(const struct trace *trace, int events, uint64_t now_ns)
{
	const struct options *options = trace->options;

	return events & (EVENT_STOP | EVENT_HANGUP) || now_ns >= trace->end_ns ||
	       (options->count && source_ring_printed(trace->source) >= options->count) ||
	       (trace->program && events & EVENT_CHILD && program_ended(trace->program));
}

static int loop(struct trace *trace, struct failure *failure)
{
	struct summary summary;
	uint64_t now_ns;
	int events = 0, err;

	for (;;) {
		uint64_t timeout_ns;

		now_ns = clock_now_ns();
		err = turn(trace, now_ns);
		if (err)
			return output_result(trace, failure, err) ?: STOPPED;
		if (done(trace, events, now_ns))
			return 0;
		timeout_ns = sleep_ns(trace, now_ns);
		if (timeout_ns > TICK_NS && !may_sleep(trace))
			timeout_ns = 0;
		events = events_wait(trace->events, timeout_ns);
		if (events < 0)
			return failure_errno(failure, "epoll", -events);
		if (timeout_ns > TICK_NS) {
			loader_reader_sleeps(trace->loader, false);
			trace->last_row_ns = clock_now_ns();
		}
		if (events & EVENT_REPORT) {
			err = summarize(trace, false, &summary);
			if (err)
				return output_result(trace, failure, err) ?: STOPPED;
			print_summary(trace, &summary, NOTICE_WARNING);
		}
	}
}

static int finish(struct trace *trace, struct failure *failure)
{
	struct summary summary;
	int err;

	loader_detach(trace->loader);
	err = summarize(trace, true, &summary);
	if (!err)
		err = trace->sink->ops->finish(trace->sink, &summary);
	if (err)
		return output_result(trace, failure, err);
	print_summary(trace, &summary,
		      trace->options->format == FORMAT_JSON ? NOTICE_DETAIL : NOTICE_STATUS);
	return 0;
}

int trace_run(const struct options *options, const struct notice *notice, struct failure *failure)
{
	struct trace trace = { .options = options, .notice = notice };
	int err;

	err = start(&trace, failure);
	if (!err)
		err = go(&trace, failure);
	if (!err)
		err = loop(&trace, failure);
	if (!err)
		err = finish(&trace, failure);
	source_ring_free(trace.source);
	loader_free(trace.loader);
	program_free(trace.program);
	if (trace.sink)
		trace.sink->ops->free(trace.sink);
	cgroup_names_free(trace.cgroups);
	clock_free(trace.clock);
	events_free(trace.events);
	return err == STOPPED ? 0 : err;
}
