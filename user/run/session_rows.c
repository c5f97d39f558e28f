// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "base/clock.h"
#include "kernel/loader.h"
#include "kernel/source_ring.h"
#include "kernel/source_stat.h"
#include "model/names_wanted.h"
#include "run/session_inside.h"

/*
 * Returns true if the row passes the filters that the kernel side does not know: names of cgroups.
 */
static bool is_wanted(const struct session *s, const struct event *event)
{
	bool lives = event->kind == EVENT_CONNECTION;
	struct names names;

	if (!filters_have_names(&s->options->filters) ||
	    (!lives && event->kind != EVENT_TRANSITION))
		return true;
	session_names(s, lives ? event->connection->cgroup_id : event->transition->cgroup_id, 0,
		      lives ? event->connection->ended_ns : event->transition->time_ns, &names);
	return names_wanted(&s->options->filters, names.cgroup);
}

/* Takes an event of the ring. Once the output has ended, rows are counted as unwritten only. */
int session_take_row(void *context, const struct event *event)
{
	struct session *s = context;
	uint64_t aside = s->unwanted + s->undated;

	switch (event->kind) {
	case EVENT_UNKNOWN:
		s->unknown++;
		return 0;
	case EVENT_MALFORMED:
		s->malformed++;
		return 0;
	default:
		break;
	}
	if (s->options->count && !s->wants.reports && s->handed == s->options->count) {
		s->beyond++;
		return 0;
	}
	if (s->cut || output_error(s->output))
		return 0;
	if (!is_wanted(s, event)) {
		s->unwanted++;
		return 0;
	}
	if (s->command->event(s, event))
		return -ECANCELED;
	/* A row that came too late, because the output has just ended, does not count as handed. */
	if (s->unwanted + s->undated == aside)
		s->handed += !output_error(s->output);
	return 0;
}

int session_take_rows(struct session *s)
{
	int count = source_ring_consume(s->source), err = source_ring_error(s->source);

	if (err)
		return failure_errno(s->failure, "cannot map the ring buffer", -err);
	return count < 0 ? -1 : count;
}

/*
 * Returns true if the remaining rows are dropped: the time for them is over, or there was a second
 * signal. Rows of which only a report tells wait for nobody to read them, so they have all the time
 * that they need, however long it took to detach the programs.
 */
static bool drops_rows(const struct session *s)
{
	if (!s->end || (s->wants.reports && s->deadline_ns))
		return false;
	return clock_now_ns() >= s->deadline_ns;
}

int session_take_all_rows(struct session *s)
{
	struct tcpdwell_counters c;

	loader_flush(s->loader, 0);
	loader_counters(s->loader, &c);
	do {
		if (session_take_rows(s) < 0)
			return -1;
		if (s->end && events_wait_writable(s->events, -1, 0) & WAKE_STOP)
			session_stop_by_signal(s);
		if (drops_rows(s))
			s->cut = true;
	} while (source_ring_taken(s->source) < c.emitted);
	return 0;
}

static int take_sum(void *context, const struct event *event)
{
	struct session *s = context;

	return s->command->event(s, event) ? -ECANCELED : 0;
}

/*
 * Fills the failure, unless @err is -ECANCELED: then a callback has filled it already. Returns -1.
 */
static int failed(struct session *s, const char *what, int err)
{
	return err == -ECANCELED ? -1 : failure_errno(s->failure, what, -err);
}

int session_sums(struct session *s)
{
	int fd, err;

	loader_flush(s->loader, s->end ? 0 : LOADER_WAIT_NS);
	fd = loader_stat_turn(s->loader);
	if (fd < 0)
		return failure_errno(s->failure, "cannot turn to the other map", -fd);
	err = source_stat_take(fd, take_sum, s);
	return err ? failed(s, "cannot read the map", err) : 0;
}

int session_take_paced_rows(struct session *s)
{
	int count;

	s->waiting = loader_flush(s->loader, LOADER_WAIT_NS) > 0;
	do {
		count = session_take_rows(s);
	} while (count >= SOURCE_RING_BATCH);
	s->taken_ns = clock_now_ns();
	return count < 0 ? -1 : 0;
}
