// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "host/program.h"
#include "kernel/loader.h"
#include "run/session_inside.h"

/*
 * The part of DRAIN_NS that is reserved for the last report or the account: rows must not use it
 * up.
 */
#define LAST_WORDS_NS 200000000ULL

/*
 * timeout(1) sends its signal twice at once. A signal that follows the first one this closely is
 * the same one.
 */
#define SAME_SIGNAL_NS 50000000ULL

void session_tell_open(struct session *s, bool last)
{
	int err = s->wants.open ? loader_tell_open(s->loader, last) : 0;

	if (err)
		notice_print(s->notice, NOTICE_WARNING,
			     "what is still open is not shown, or not all of it: %s",
			     strerror(-err));
}

void session_stop(struct session *s, enum session_end end, uint64_t drain_ns)
{
	if (s->end)
		return;
	s->end = end;
	s->told_ns = clock_now_ns();
	/*
	 * This happens before the detach for two reasons. Timewait sockets that must be polled are
	 * only found while all is attached. And a connection that ends during the detach would be
	 * shown neither as open nor as over.
	 */
	if (s->wants.watch) {
		loader_flush(s->loader, s->wants.open ? 0 : LOADER_WAIT_NS);
		session_tell_open(s, true);
		loader_detach(s->loader);
	}
	s->deadline_ns = drain_ns == EVENTS_FOREVER ? EVENTS_FOREVER : clock_now_ns() + drain_ns;
}

void session_stop_by_signal(struct session *s)
{
	uint64_t now_ns = clock_now_ns();

	if (!s->end)
		session_stop(s, SESSION_SIGNAL, DRAIN_NS);
	else if (s->deadline_ns == EVENTS_FOREVER)
		s->deadline_ns = now_ns + DRAIN_NS;
	else if (now_ns - s->told_ns >= SAME_SIGNAL_NS)
		s->deadline_ns = 0;
}

/* Returns how long the output may still be waited for; 0: no longer. */
static uint64_t patience(struct session *s)
{
	uint64_t now_ns = clock_now_ns(), end_ns;

	if (!s->end && now_ns >= s->end_ns) {
		session_stop(s, SESSION_TIME, DRAIN_NS);
		now_ns = clock_now_ns();
	}
	end_ns = s->end ? s->deadline_ns : s->end_ns;
	if (end_ns == EVENTS_FOREVER)
		return end_ns;
	if (s->end && !s->last_words)
		now_ns += LAST_WORDS_NS;
	return end_ns > now_ns ? end_ns - now_ns : 0;
}

int session_wait_writable(void *context, int fd)
{
	struct session *s = context;

	for (;;) {
		uint64_t timeout_ns = patience(s);
		int wakes;

		if (s->cut || (!timeout_ns && !s->last_words))
			return -ECANCELED;
		wakes = events_wait_writable(s->events, fd, timeout_ns);
		if (wakes < 0)
			return wakes;
		s->wakes |= wakes & WAKE_CHILD;
		if (wakes & WAKE_STOP)
			session_stop_by_signal(s);
		if (wakes & WAKE_REPORT)
			session_print_account(s, NOTICE_WARNING);
		if (wakes & WAKE_WRITABLE && (s->last_words || patience(s)))
			return 0;
		if (!timeout_ns && s->last_words)
			return -ECANCELED;
	}
}

bool session_ended(struct session *s, uint64_t now_ns)
{
	const struct options *options = s->options;

	if (s->wakes & WAKE_STOP)
		session_stop_by_signal(s);
	else if (s->wakes & WAKE_HANGUP || output_error(s->output))
		session_stop(s, SESSION_SIGNAL, DRAIN_NS);
	else if (now_ns >= s->end_ns)
		session_stop(s, SESSION_TIME, DRAIN_NS);
	else if (options->count && !s->wants.reports && s->handed >= options->count)
		session_stop(s, SESSION_COUNT, DRAIN_NS);
	else if (s->program && s->wakes & WAKE_CHILD && program_ended(s->program))
		session_stop(s, SESSION_PROGRAM, EVENTS_FOREVER);
	return s->end;
}
