// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kernel/loader.h"
#include "kernel/source_ring.h"
#include "run/account.h"
#include "run/session_inside.h"

/* Returns the number of rows that were written, themselves or in a report. */
static uint64_t count_written(const struct session *s)
{
	uint64_t lines;

	if (s->wants.reports)
		return output_error(s->output) ? s->reported : s->handed;
	lines = text_unwritten(output_text(s->output));
	return s->handed > lines ? s->handed - lines : 0;
}

static struct summary account_of_sums(const struct session *s)
{
	struct tcpdwell_counters c;
	uint64_t counted;

	loader_counters(s->loader, &c);
	counted = s->end ? count_written(s) : c.emitted - s->unwanted;
	return (struct summary){
		.seen = c.seen,
		.printed = counted,
		.undated = c.undated,
		.filtered = c.filtered + c.held + s->unwanted,
		.unwritten = s->end ? s->handed - counted : 0,
		.lost_map = c.lost_map,
		.untracked = c.untracked,
		.missed = loader_missed(s->loader),
	};
}

/*
 * Returns the account of rows. A held row does not count as seen yet, since each figure must only
 * grow. At the end a held row is filtered: it will not be completed, and nobody wants it. Rows that
 * were emitted and are in no other figure are unwritten: they are still in the ring, or the output
 * has not taken them.
 */
static struct summary account_of_rows(struct session *s)
{
	uint64_t taken = s->source ? source_ring_taken(s->source) : 0, written = count_written(s);
	struct tcpdwell_counters c;
	uint64_t overdue;

	loader_counters(s->loader, &c);
	/* The first row of a request that a flood folded is counted together with the last one. */
	overdue = c.folded ? loader_overdue(s->loader) : 0;
	if (c.emitted < taken) { /* rows that came meanwhile */
		c.seen += taken - c.emitted;
		c.emitted = taken;
	}
	return (struct summary){
		.seen = c.seen + overdue - (s->end ? 0 : c.held),
		.printed = written,
		.undated = s->undated,
		.filtered = c.filtered + (s->end ? c.held : 0) + s->beyond + s->unwanted,
		.folded = c.folded + overdue,
		.unwritten = c.emitted - written - s->beyond - s->unwanted - s->undated -
			     s->unknown - s->malformed,
		.unknown = s->unknown,
		.malformed = s->malformed,
		.lost_ring = c.lost_ring,
		.lost_map = c.lost_map,
		.untracked = c.untracked,
		.missed = loader_missed(s->loader) + overdue,
	};
}

struct summary session_account(struct session *s)
{
	return capture_uses_ring(&s->capture) ? account_of_rows(s) : account_of_sums(s);
}

void session_print_account(struct session *s, enum notice_level level)
{
	struct summary summary;

	/* A run without a kernel side has nothing to account for. */
	if (!s->loader)
		return;
	summary = session_account(s);
	account_print(s->notice, &summary, !capture_uses_ring(&s->capture), level);
}
