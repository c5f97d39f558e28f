/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows on their way into the ring, and the one place that counts what becomes of each row. */
#ifndef TCPDWELL_EMIT_BPF_H
#define TCPDWELL_EMIT_BPF_H

#include "filter.bpf.h"
#include "stat.bpf.h"

/* A CPU looks whether much is unread, and so whether to wake the reader, once in so many rows. */
#define WAKEUP_CHECK_ROWS 64

/*
 * Hands over a record of the connection @id. Wakes the reader if it sleeps without a time limit, or
 * if much is unread. In all other cases the reader comes by itself every few tens of milliseconds,
 * and no record pays for a wake-up.
 */
static __always_inline void ring_submit(struct tcpdwell_counters *c, void *record, __u64 id)
{
	bool much;

	count(&c->emitted);
	much = c->emitted % WAKEUP_CHECK_ROWS == 0 && ring_unread(id) >= cfg_wakeup_bytes;
	bpf_ringbuf_submit(record, much && cfg_rings == 1 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	if (much && cfg_rings != 1)
		ring_wake();
	wake_reader();
}

static __always_inline void record_fill(struct tcpdwell_transition *t, const struct row *row,
					const struct endpoint *e, const struct lifecycle *l)
{
	t->kind = TCPDWELL_TRANSITION;
	t->size = sizeof(*t);
	t->from = row->from;
	t->to = row->to;
	t->family = e->family;
	t->source = row->source;
	t->time_ns = row->time_ns;
	t->dwell_ns = row->dwell_ns;
	t->cookie = l->id;
	t->cgroup_id = e->cgroup_id;
	t->netns = e->netns;
	t->uid = e->uid;
	t->dwell = row->dwell;
	t->reason = row->reason;
	t->dwell_error = row->dwell_error;
	t->err = row->err;
	t->lport = e->lport;
	t->rport = e->rport;
	__builtin_memcpy(t->laddr, e->laddr, sizeof(t->laddr));
	__builtin_memcpy(t->raddr, e->raddr, sizeof(t->raddr));
	t->holders = l->holders;
	owner_read(l, &t->pid, t->comm, &t->owner);
}

/*
 * Reads IP_LOCAL_PORT_RANGE of a socket in SYN_SENT, whose address is known. If the memory is
 * another's, it has another cookie, and nothing is read. The function is not inlined, to spare its
 * callers' stack.
 */
static __noinline int port_range_fill(struct tcpdwell_port_use *use, const struct lifecycle *l)
{
	const struct sock *sk = (const struct sock *)l->object;
	__u32 range;

	if (!lifecycle_has_object(l) || (cfg_has_cookie && sock_key_by_address(sk) != l->id))
		return 0;
	range = sock_port_range((__u64)sk);
	use->low = range & 0xffff;
	use->high = range >> 16;
	return 0;
}

/* Emits the longer form of a row, with struct tcpdwell_port_use. */
static __always_inline void emit_with_port(struct tcpdwell_counters *c, const struct row *row,
					   const struct endpoint *e, const struct lifecycle *l)
{
	struct tcpdwell_port_transition *t = ring_reserve(l->id, sizeof(*t));

	if (!t) {
		count(&c->lost_ring);
		return;
	}
	record_fill(&t->t, row, e, l);
	t->t.size = sizeof(*t);
	__builtin_memset(&t->use, 0, sizeof(t->use));
	t->use.bound = !!(l->waits & LIFECYCLE_BOUND);
	t->use.scope = (__u32)e->scope_high << 16 | e->scope_low;
	if (row->from == TCPDWELL_SYN_SENT || row->to == TCPDWELL_SYN_SENT)
		port_range_fill(&t->use, l);
	ring_submit(c, t, l->id);
}

/* Puts a wanted row into the sums, into the ring, or into both. */
static __always_inline void emit(struct tcpdwell_counters *c, const struct row *row,
				 const struct endpoint *e, const struct lifecycle *l)
{
	struct tcpdwell_transition *t;

	if (cfg_stat)
		stat_add(c, row, e, l);
	if (!cfg_rows)
		return;
	if (cfg_port_use) {
		emit_with_port(c, row, e, l);
		return;
	}
	t = ring_reserve(l->id, sizeof(*t));
	if (!t) {
		count(&c->lost_ring);
		return;
	}
	record_fill(t, row, e, l);
	ring_submit(c, t, l->id);
}

/* Returns whether the owner filter and the cgroup filter want the rows of this connection. */
static __always_inline bool owner_wanted(const struct lifecycle *l)
{
	return is_in_cgroup(l) && (!config_filters_owner() || l->marks & LIFECYCLE_MATCHED);
}

/*
 * Returns whether a command that asks for ports wants the row. It wants the end of an open
 * connection if that may be a client's. The ends of servers' connections are just as many, and it
 * does not need them.
 */
static __always_inline bool port_use_wanted(const struct row *row, const struct lifecycle *l)
{
	const __u32 open = 1U << TCPDWELL_ESTABLISHED | 1U << TCPDWELL_FIN_WAIT1 |
			   1U << TCPDWELL_CLOSE_WAIT | 1U << TCPDWELL_LAST_ACK;

	return !cfg_port_use || row->to != TCPDWELL_CLOSE || !(open >> (row->from & 31) & 1) ||
	       l->owner != TCPDWELL_OWNER_ACCEPT;
}

/* Returns whether a row of a wanted connection is wanted. */
static __always_inline bool row_wanted(const struct row *row, const struct endpoint *e,
				       const struct lifecycle *l)
{
	return owner_wanted(l) && (!cfg_cookie || l->id == cfg_cookie) && filter_row(row, e) &&
	       port_use_wanted(row, l);
}

/* Counts a row as seen, unless connections are counted instead (life.bpf.h). */
static __always_inline void count_seen(struct tcpdwell_counters *c)
{
	if (!cfg_life)
		count(&c->seen);
}

/* Emits a row of a wanted connection, or counts it as filtered. The row was counted as seen. */
static __always_inline void decide(struct tcpdwell_counters *c, const struct row *row,
				   const struct endpoint *e, const struct lifecycle *l)
{
	if (cfg_life)
		return;
	if (row_wanted(row, e, l))
		emit(c, row, e, l);
	else
		count(&c->filtered);
}

#endif /* TCPDWELL_EMIT_BPF_H */
