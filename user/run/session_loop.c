// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <malloc.h>

#include "base/clock.h"
#include "kernel/loader.h"
#include "kernel/source_ring.h"
#include "run/account.h"
#include "run/session_inside.h"

/*
 * While rows come, the ring is read this often. So a row is at most 100 ms old when it is shown,
 * and no record pays for a wake-up. Held rows are let go at the first look after LOADER_WAIT_NS.
 */
#define TICK_NS 40000000ULL

/* After this long without a row the reader sleeps until the kernel side wakes it. */
#define IDLE_NS 1000000000ULL

bool session_takes_rows(const struct session *s)
{
	return s->source && capture_uses_ring(&s->capture);
}

/*
 * Answers SIGUSR1. It first takes what was emitted up to now, so that every row is accounted for.
 */
static int answer(struct session *s)
{
	session_tell_open(s, false);
	if (session_takes_rows(s) &&
	    (session_take_all_rows(s) || (s->command->tick && s->command->tick(s))))
		return -1;
	session_print_account(s, NOTICE_WARNING);
	return 0;
}

bool session_is_prompt(const struct session *s)
{
	return session_takes_rows(s) && !s->wants.pace_ns;
}

/*
 * Takes what has come since the last call: rows, or what the command's tick takes. If there was
 * something, the next call will be after the command's pace.
 */
static int take_paced(struct session *s, uint64_t now_ns)
{
	uint64_t before = s->handed + s->unwanted + s->undated;

	s->taken_ns = now_ns;
	if (!session_takes_rows(s))
		s->waiting = loader_polls(s->loader) && loader_flush(s->loader, LOADER_WAIT_NS) > 0;
	if ((session_takes_rows(s) && session_take_paced_rows(s)) ||
	    (s->command->tick && s->command->tick(s)))
		return -1;
	if (s->handed + s->unwanted + s->undated != before)
		s->row_ns = now_ns;
	return 0;
}

static int take_due_rows(struct session *s, uint64_t now_ns)
{
	int count;

	if (!session_is_prompt(s))
		return now_ns - s->taken_ns < s->wants.pace_ns ? 0 : take_paced(s, now_ns);
	if (s->waiting || now_ns - s->row_ns < IDLE_NS)
		s->waiting = loader_flush(s->loader, LOADER_WAIT_NS) > 0;
	count = session_take_rows(s);
	if (count < 0)
		return count;
	if (count)
		s->row_ns = now_ns;
	s->more = count >= SOURCE_RING_BATCH;
	return s->command->tick ? s->command->tick(s) : 0;
}

/*
 * Shows a report if one is due. Reports keep in step with the start. Reports that were missed while
 * the process was stopped are not made up for, and after a slow report the loop rests as long as
 * the report took.
 */
static int show_due_report(struct session *s, uint64_t now_ns)
{
	uint64_t done_ns;

	if (now_ns < s->next_ns)
		return 0;
	if (s->command->render(s))
		return -1;
	if (!output_error(s->output))
		s->reported = s->handed;
	if (s->wants.looks)
		malloc_trim(0); /* what the look took, which may be much */
	done_ns = clock_now_ns();
	done_ns += done_ns - now_ns;
	if (!s->wants.report_ns)
		s->next_ns = EVENTS_FOREVER;
	else
		s->next_ns += s->wants.report_ns *
			      ((done_ns - s->next_ns) / s->wants.report_ns + 1);
	return 0;
}

/*
 * Returns true if nothing has come for so long that the loop need not look again before the kernel
 * side wakes it. A loop that takes rows only for reports does not look in between.
 */
static bool is_quiet(const struct session *s, uint64_t now_ns)
{
	uint64_t idle_ns = session_is_prompt(s) ? IDLE_NS : s->wants.pace_ns;

	return idle_ns == EVENTS_FOREVER || (!s->waiting && now_ns - s->row_ns >= idle_ns);
}

/* Returns how long the loop may sleep. */
static uint64_t sleep_ns(const struct session *s, uint64_t now_ns)
{
	uint64_t until_ns = earlier(s->end_ns, s->next_ns);

	if (s->more)
		return 0;
	if (!is_quiet(s, now_ns))
		until_ns = earlier(until_ns, session_is_prompt(s) ? now_ns + TICK_NS :
								    s->taken_ns + s->wants.pace_ns);
	if (!loader_listeners_rest(s->loader))
		until_ns = earlier(until_ns, s->flood_ns + FLOOD_NS);
	if (until_ns == EVENTS_FOREVER)
		return until_ns;
	return until_ns > now_ns ? until_ns - now_ns : 0;
}

/*
 * Asks the kernel side to wake the reader, then looks once more, since a row may have come before
 * the kernel side saw the request. Returns 1 if there was nothing, so that the loop may sleep, 0 if
 * there was, or -1 with the failure filled.
 */
static int may_sleep(struct session *s)
{
	uint64_t now_ns = clock_now_ns();
	int count = 0;

	loader_reader_sleeps(s->loader, true);
	if (!session_is_prompt(s)) {
		if (take_paced(s, now_ns))
			return -1;
		count = s->row_ns == now_ns;
	} else {
		s->waiting = loader_flush(s->loader, LOADER_WAIT_NS) > 0;
		count = session_take_rows(s);
		if (count < 0)
			return -1;
	}
	/*
	 * If the kernel side has sent a wake-up meanwhile, it has cleared the request, and this
	 * look at the ring has used up the wake-up.
	 */
	if (!s->waiting && !count && loader_reader_is_asleep(s->loader))
		return 1;
	loader_reader_sleeps(s->loader, false);
	s->row_ns = now_ns;
	return 0;
}

/*
 * Sleeps at most @timeout_ns. What wakes a loop whose rows do not come through the ring is taken
 * out of it here.
 */
static int sleep_until_woken(struct session *s, uint64_t timeout_ns)
{
	int wakes = events_wait(s->events, timeout_ns);

	if (wakes < 0)
		return failure_errno(s->failure, "epoll", -wakes);
	s->wakes |= wakes;
	return wakes & WAKE_SOURCE && !session_takes_rows(s) && session_take_rows(s) < 0 ? -1 :
											   wakes;
}

/* Sleeps until something happens. Returns 0, or -1 with the failure filled. */
static int wait_for_news(struct session *s, uint64_t now_ns)
{
	bool asks = is_quiet(s, now_ns) && s->wants.pace_ns != EVENTS_FOREVER &&
		    sleep_ns(s, now_ns) > TICK_NS;
	int sleeps = asks ? may_sleep(s) : 0, wakes;

	if (sleeps < 0)
		return -1;
	/*
	 * Only now: that look may also have used up a wake-up on behalf of listeners, and says when
	 * the next one is due.
	 */
	wakes = sleep_until_woken(s, asks && !sleeps ? 0 : sleep_ns(s, clock_now_ns()));
	if (wakes < 0)
		return -1;
	if (!sleeps)
		return 0;
	loader_reader_sleeps(s->loader, false);
	/* If no row woke the loop, it looks once and sleeps again, without the ticks. */
	if (wakes & WAKE_SOURCE)
		s->row_ns = clock_now_ns();
	return 0;
}

/* Shows each report when it is due, until the end of the run. There are no rows. */
static int look_on(struct session *s)
{
	uint64_t now_ns, until_ns;
	int wakes;

	for (;;) {
		now_ns = clock_now_ns();
		clock_tick(s->clock);
		if (session_ended(s, now_ns))
			return 0;
		s->wakes = 0;
		if (show_due_report(s, now_ns))
			return -1;
		now_ns = clock_now_ns();
		if (session_ended(s, now_ns))
			return 0;
		until_ns = earlier(s->end_ns, s->next_ns);
		wakes = events_wait(s->events, until_ns > now_ns ? until_ns - now_ns : 0);
		if (wakes < 0)
			return failure_errno(s->failure, "epoll", -wakes);
		s->wakes |= wakes;
	}
}

int session_loop(struct session *s)
{
	if (s->looks_on)
		return look_on(s);
	while (s->wants.watch) {
		uint64_t now_ns = clock_now_ns();
		int wakes = s->wakes;

		clock_tick(s->clock);
		if (!s->wants.looks) /* else the sockets of the last look use the names */
			name_book_tidy(s->names);
		if (take_due_rows(s, now_ns))
			return -1;
		session_report_flood(s, now_ns);
		if (session_ended(s, now_ns))
			break;
		if (wakes & WAKE_REPORT && answer(s))
			return -1;
		if (show_due_report(s, now_ns))
			return -1;
		if (session_ended(s, now_ns))
			break;
		s->wakes = 0;
		if (wait_for_news(s, now_ns))
			return -1;
	}
	return 0;
}
