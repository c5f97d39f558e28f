// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/privilege.h"
#include "host/procfs.h"
#include "host/program.h"
#include "host/steward.h"
#include "kernel/capability.h"
#include "kernel/loader.h"
#include "kernel/snapshot.h"
#include "kernel/source_ring.h"
#include "run/capture_options.h"
#include "run/session_inside.h"

/*
 * How often timewait sockets that change or end in silence are polled, if no rows are read. The
 * poll may be late, since the timewait socket itself tells when that happened; but the queue of
 * sockets that wait for the poll must not become full.
 */
#define POLL_NS 1000000000ULL

/* Decides how the loop takes what the kernel side delivers, once it is known what that is. */
static void settle_pace(struct session *s)
{
	/* If the kernel refuses sums, rows come instead. They are taken as they come. */
	if (s->capture.sums.wanted && !loader_sums(s->loader)) {
		s->capture.sums.wanted = false;
		s->capture.rows = true;
		s->wants.pace_ns = 0;
	}
	if (!capture_uses_ring(&s->capture) && loader_polls(s->loader))
		s->wants.pace_ns = earlier(s->wants.pace_ns, POLL_NS);
}

static int make_source(struct session *s)
{
	int rings[LOADER_RINGS];

	if (s->wants.timewait && !loader_sees_timewait(s->loader))
		return failure_set(s->failure, STATUS_HOST,
				   "TIME_WAIT is not seen%s: see `tcpdwell probe`",
				   s->options->backend == BACKEND_NONE ? " with --backend none" :
									 " on this kernel");
	settle_pace(s);
	s->source = source_ring_new(rings, loader_rings(s->loader, rings), session_take_row, s);
	if (!s->source)
		return capability_refused(s->failure, "to map the ring", errno);
	if (events_watch_source(s->events, source_ring_fd(s->source)))
		return failure_errno(s->failure, "cannot watch the ring", errno);
	return 0;
}

/* Returns whether it looks more than once, with the kernel side or without. */
static bool looks_again(const struct session *s)
{
	return s->drops && (s->wants.looks || s->wants.host_only);
}

/* Decides which privileges will be kept. */
static int plan_privileges(struct session *s)
{
	const struct privilege_needs needs = {
		.user = s->options->user,
		.files = s->wants.files,
		.serves = s->wants.serves,
		.looks_again = looks_again(s),
	};

	return s->drops ? privilege_plan(&needs, s->failure) : 0;
}

/*
 * Starts the steward, if it is needed. It has the rights that this process gives up. It also reads
 * what may never answer, such as the command line of a process that maps a file whose server is
 * gone: so a command that looks only once has a steward, too, but can do without it.
 */
static int start_steward(struct session *s)
{
	if (!s->wants.looks && !s->wants.host_only && !s->wants.names)
		return 0;
	s->steward = steward_new("", s->notice);
	if (s->steward)
		return 0;
	if (looks_again(s))
		return capability_refused(s->failure, "to start a helper process", errno);
	notice_print(s->notice, NOTICE_WARNING,
		     "cannot start a helper process: %s; so command lines, units and containers of "
		     "processes are unknown",
		     strerror(errno));
	return 0;
}

/* Notes that nothing can be traced, so that the command only looks. */
static void watch_no_more(struct session *s)
{
	s->wants.watch = false;
	s->looks_on = s->wants.report_ns;
}

/*
 * Where sockets are looked at again, blocks of this size or more get a mapping of their own: they
 * are given back as soon as they are freed, and pages that nothing was put into take no memory. By
 * default malloc raises the threshold after it has freed a large block. It must be set before the
 * start, which else leaves holes in the heap that large blocks come to lie in. Others start sooner
 * without it.
 */
#define LARGE_BYTES (128 * 1024)

/* Loads the kernel side. A single look can do without its programs, but watching cannot. */
static int load(struct session *s)
{
	if (s->wants.host_only)
		return 0;
	if (!s->wants.looks) {
		s->loader = loader_new(&s->capture, s->notice, s->failure);
		return s->loader ? 0 : -1;
	}
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	s->look.capture = &s->capture;
	s->look.steward = s->steward;
	s->look.notice = s->notice;
	if (socket_source_open(&s->look, s->failure))
		return -1;
	s->loader = s->look.loader;
	if (!s->loader && s->wants.rows_optional)
		watch_no_more(s);
	if (s->loader || !s->wants.watch)
		return 0;
	*s->failure = s->look.why;
	return -1;
}

/* Asks the command what it needs, and adds what follows from that and from the options. */
static void ask_command(struct session *s)
{
	capture_from_options(&s->capture, s->options);
	s->in_place = output_is_terminal() && s->options->format == FORMAT_TABLE;
	s->command->wants(s, &s->capture, &s->wants);
	s->capture.sockets_otherwise = s->wants.looks;
	if (filters_have_names(&s->options->filters))
		s->wants.names = true;
	s->wants.files |= s->wants.names;
	s->drops = s->wants.watch || s->wants.host_only;
	s->in_place = s->in_place && s->wants.watch && s->wants.reports;
}

static int make_parts(struct session *s)
{
	s->wait = (struct text_wait){ .writable = session_wait_writable, .context = s };
	s->events = events_new(STDOUT_FILENO);
	if (!s->events || !(s->clock = clock_new()) ||
	    !(s->output = output_new(s->in_place, &s->wait)))
		return session_cannot_start(s, errno);
	if (s->steward)
		steward_heed(s->steward, events_stop_fd(s->events));
	if (!s->options->program)
		return 0;
	s->program = program_new(s->options->program, events_old_mask(s->events));
	return s->program ? 0 : failure_errno(s->failure, "cannot fork", errno);
}

int session_set_up(struct session *s)
{
	ask_command(s);
	if (procfs_check(s->failure))
		return -1;
	if (plan_privileges(s) || start_steward(s) || make_parts(s))
		return -1;
	if (s->command->prepare && s->command->prepare(s))
		return -1;
	return load(s);
}

/* Hands a record of the snapshot at the start to the command. */
static int take_start(void *context, const struct event *event)
{
	struct session *s = context;

	return s->command->event(s, event) ? -ECANCELED : 0;
}

/*
 * Goes on as if the kernel had refused the programs: the command looks and does not trace. Returns
 * -1 if it cannot go on; the failure then stays as it is.
 */
static int do_without_rows(struct session *s)
{
	if (!s->wants.rows_optional || s->failure->status != STATUS_HOST)
		return -1;
	s->look.why = *s->failure;
	loader_free(s->loader);
	s->loader = s->look.loader = NULL;
	watch_no_more(s);
	return 0;
}

int session_attach(struct session *s)
{
	unsigned int closed;
	int err = s->program ? loader_follow(s->loader, program_pid(s->program)) : 0;

	if (err)
		return failure_errno(s->failure, "cannot follow the program", -err);
	if (!s->wants.watch)
		return 0;
	/*
	 * What the kernel lets the loader attach decides which ring exists, and what is seen.
	 */
	if (loader_attach(s->loader, s->failure) || make_source(s))
		return do_without_rows(s);
	s->flood_ns = clock_now_ns();
	loader_rest_listeners(s->loader);
	/*
	 * Sockets that exist get their owner and a lower bound of their dwell. Live events that
	 * come meanwhile take precedence.
	 */
	if (!s->wants.snapshot)
		return 0;
	if (snapshot_take_if_can(s->loader, s->wants.records ? take_start : NULL, s, &closed,
				 s->failure))
		return -1;
	snapshot_warn(s->notice, closed);
	return 0;
}

/*
 * Gives up the privileges. This is the only place that does so: all is attached, and all that
 * needed privileges has been read.
 */
static int give_up_privileges(struct session *s)
{
	if (!s->drops)
		return 0;
	if (s->steward && s->loader)
		loader_hand_over(s->loader, s->steward);
	return privilege_drop(s->notice, s->failure);
}

/*
 * Returns when the run ends: after -d, or with the last report that -n asks for, which is the one
 * of the end.
 */
static uint64_t end_of_run(const struct session *s)
{
	uint64_t duration_ns = s->options->duration_ns ?: s->wants.duration_ns;
	uint64_t end_ns = duration_ns ? s->start_ns + duration_ns : EVENTS_FOREVER;
	uint64_t intervals = s->options->count - s->wants.first, all_ns;

	if (!s->options->count || !s->wants.reports || !s->wants.report_ns ||
	    __builtin_mul_overflow(intervals, s->wants.report_ns, &all_ns) ||
	    __builtin_add_overflow(s->start_ns, all_ns, &all_ns))
		return end_ns;
	return earlier(end_ns, all_ns);
}

static int begin_tracing(struct session *s)
{
	if (session_is_prompt(s) && s->command->tick && s->command->tick(s))
		return -1;
	if (output_error(s->output))
		return 0;
	if (s->loader)
		loader_started(s->loader);
	notice_print(s->notice, NOTICE_STATUS, "tracing…");
	return s->program ? program_go(s->program, s->failure) : 0;
}

int session_begin(struct session *s)
{
	uint64_t now_ns = clock_now_ns();

	clock_set_start(s->clock, now_ns);
	s->end_ns = s->next_ns = EVENTS_FOREVER;
	if (s->wants.names && !(s->names = name_book_new("", s->steward)))
		return session_cannot_start(s, errno);
	if (s->command->start(s))
		return -1;
	if (s->loader && s->wants.watch && !s->wants.looks)
		loader_look_no_more(s->loader);
	if (give_up_privileges(s))
		return -1;
	if (!s->wants.watch && s->wants.rows_optional)
		notice_print(s->notice, NOTICE_STATUS, "looking, as nothing can be traced…");
	if (!s->wants.watch && !s->looks_on)
		return 0;
	s->start_ns = s->row_ns = s->taken_ns = clock_now_ns();
	s->end_ns = end_of_run(s);
	if (s->wants.first)
		s->next_ns = s->start_ns;
	else if (s->wants.report_ns)
		s->next_ns = s->start_ns + s->wants.report_ns;
	events_take_stops(s->events);
	return s->wants.watch ? begin_tracing(s) : 0;
}
