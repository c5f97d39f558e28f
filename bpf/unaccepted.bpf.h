/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows that wait for accept(). A child belongs to the process that accepts it. If a filter asks for
 * the owner, the rows that come before that are held.
 */
#ifndef TCPDWELL_UNACCEPTED_BPF_H
#define TCPDWELL_UNACCEPTED_BPF_H

#include "connection.bpf.h"
#include "workspace.bpf.h"

/* Returns a row that waited for an owner; @wait is its bit in lifecycle.waits. */
static __always_inline struct row unaccepted_row(const struct lifecycle *l, __u32 wait)
{
	struct row row = {};

	switch (wait) {
	case LIFECYCLE_UNACCEPTED_SYN_RECV:
		row.from = TCPDWELL_LISTEN;
		row.to = TCPDWELL_SYN_RECV;
		row.time_ns = l->opened_ns;
		break;
	case LIFECYCLE_UNACCEPTED_ESTABLISHED:
		row.from = TCPDWELL_SYN_RECV;
		row.to = TCPDWELL_ESTABLISHED;
		row.time_ns = l->established_ns;
		if (l->marks & LIFECYCLE_OPENED_EXACT) {
			row.dwell = TCPDWELL_DWELL_EXACT;
			row.dwell_ns = l->established_ns - l->opened_ns;
		}
		break;
	case LIFECYCLE_UNACCEPTED_CLOSE_WAIT:
		row.from = TCPDWELL_ESTABLISHED;
		row.to = TCPDWELL_CLOSE_WAIT;
		row.time_ns = l->since_ns;
		row.dwell = TCPDWELL_DWELL_EXACT;
		row.dwell_ns = l->since_ns - l->established_ns;
		break;
	}
	if (l->marks & LIFECYCLE_OF_REQUEST && wait != LIFECYCLE_UNACCEPTED_CLOSE_WAIT)
		row.source = TCPDWELL_SOURCE_REQUEST_SOCK;
	return row;
}

/*
 * Emits the rows in @taken, which waited for an owner, or counts them as filtered. It is a function
 * of numbers, so the verifier looks at it once, not at each call.
 */
__noinline int release_unaccepted(__u64 sk, __u64 key, __u32 taken)
{
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = connection_find_inline(key);
	struct endpoint e;

	if (!c || !l)
		return 0;
	endpoint_read(&e, (const struct sock *)sk, false);
	if (!e.lport)
		endpoint_set_last_port(&e, (const struct sock *)sk);
	for (__u32 wait = LIFECYCLE_UNACCEPTED_SYN_RECV; wait <= LIFECYCLE_UNACCEPTED_CLOSE_WAIT;
	     wait <<= 1) {
		if (taken & wait) {
			struct row row = unaccepted_row(l, wait);

			uncount(&c->held);
			decide(c, &row, &e, l);
		}
	}
	return 0;
}

/*
 * Rows of a connection that nobody has accepted yet wait for the owner, which the filter asks
 * about. Returns whether @t's row was added to those that wait. Otherwise they have been released,
 * and the caller goes on with @t's row.
 */
static __always_inline bool hold_unaccepted(struct transition *t, struct lifecycle *l,
					    const bool atomic)
{
	const __u32 bit = LIFECYCLE_UNACCEPTED_CLOSE_WAIT;
	__u32 waits;

	if (t->row->to != TCPDWELL_CLOSE_WAIT) {
		owner_match(l);
		release_unaccepted(address_of(t->sk), t->key,
				   connection_take(l, LIFECYCLE_UNACCEPTED, atomic));
		return false;
	}
	count(&t->c->held);
	lifecycle_enter(l, t->row->to, t->row->time_ns);
	if (atomic) {
		waits = __sync_fetch_and_or(&l->waits, bit);
	} else {
		waits = l->waits;
		l->waits = waits | bit;
	}
	if (waits & LIFECYCLE_UNACCEPTED)
		return true;
	/* accept() came in between. Take the row back, unless accept() took it too. */
	if (!connection_take(l, bit, atomic))
		return true;
	uncount(&t->c->held);
	return false;
}

/*
 * Makes the rows of a child wait for accept(). They are its first two, or only the second if the
 * first one is out already. They were counted as seen; if there is no room to remember the child,
 * they are lost.
 */
static __always_inline void hold_child(struct transition *t, struct lifecycle *l, const bool atomic)
{
	__u32 rows = t->first->from ? 2 : 1;

	l->established_ns = t->row->time_ns;
	l->waits |= LIFECYCLE_UNACCEPTED_ESTABLISHED;
	if (t->first->from)
		l->waits |= LIFECYCLE_UNACCEPTED_SYN_RECV;
	lifecycle_enter(l, t->row->to, t->row->time_ns);
	if (connection_remember(t->c, t->key, l, BPF_ANY, atomic))
		__sync_fetch_and_add(&t->c->lost_map, rows);
	else
		__sync_fetch_and_add(&t->c->held, rows);
}

/* Returns whether the rows of a child wait because nobody has accepted it yet. */
static __always_inline bool transition_holds_child(struct transition *t, struct lifecycle *l,
						   __u8 to, const bool atomic)
{
	if (!config_waits_for_accept() || t->first->to != TCPDWELL_SYN_RECV ||
	    to != TCPDWELL_ESTABLISHED)
		return false;
	hold_child(t, l, atomic);
	return true;
}

#endif /* TCPDWELL_UNACCEPTED_BPF_H */
