/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * First rows that wait for the local port, and the ring of those for which no program runs at the
 * end of connect().
 */
#ifndef TCPDWELL_DEFERRED_BPF_H
#define TCPDWELL_DEFERRED_BPF_H

#include "connection.bpf.h"
#include "workspace.bpf.h"

/*
 * Connections in SYN_SENT whose first row waits for the local port: a ring of their keys, in the
 * order in which they began. Most have their port within a round trip. Then their entry here is
 * marked as over, and the flush need not look for them. A queue would not do: nothing can be taken
 * back out of it, and it costs a lock.
 */
#define DEFERRED_SLOTS 16384
#define DEFERRED_SPARE 1024 /* for those that ask at the same moment, two on a CPU */
/* In place of a key. A key of 0 means that the slot was taken and not filled yet. */
#define DEFERRED_OVER ~0ULL

struct deferral {
	__u64 key;
	/* lifecycle.task, which lifecycle.slot replaces while the row waits. */
	__u64 task;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DEFERRED_SLOTS);
	__type(key, __u32);
	__type(value, struct deferral);
} deferred SEC(".maps");

/* Both numbers count up. Only the flush moves the oldest. */
static struct {
	__u64 next;
	__u64 oldest;
} deferred_ends __attribute__((aligned(128)));

static __always_inline struct deferral *deferred_slot(__u64 slot)
{
	__u32 at = slot % DEFERRED_SLOTS;

	return cfg_defer_connect ? bpf_map_lookup_elem(&deferred, &at) : NULL;
}

/* Takes a slot for @l, which deferred_fill() is to fill. Returns whether there was one. */
static __always_inline bool deferred_take(struct lifecycle *l)
{
	struct deferral *at;
	__u64 task = l->task;

	if (deferred_ends.next - deferred_ends.oldest > DEFERRED_SLOTS - DEFERRED_SPARE)
		return false;
	l->slot = __sync_fetch_and_add(&deferred_ends.next, 1);
	at = deferred_slot(l->slot);
	if (at)
		at->task = task;
	return true;
}

/* Fills the slot with a key, or with DEFERRED_OVER. */
static __always_inline void deferred_fill(const struct lifecycle *l, __u64 key)
{
	struct deferral *at = deferred_slot(l->slot);

	/* The flush may look for the connection as soon as it finds the key. */
	if (at)
		order_publish(&at->key, key);
}

/*
 * Takes the row of @l, which has @key, from those that wait. The row may never have been in the
 * ring; without @atomic it is not. Returns whether the caller, and nobody else, must emit it.
 */
static __always_inline bool deferred_over(struct lifecycle *l, __u64 key, const bool atomic)
{
	struct deferral *at;

	if (!connection_take(l, LIFECYCLE_DEFERRED, atomic))
		return false;
	at = atomic && cfg_defer_connect ? deferred_slot(l->slot) : NULL;
	if (!at || at->key != key)
		return true;
	l->task = at->task;
	/*
	 * The flush may be done with the slot at the same moment, and the slot may be another's
	 * then.
	 */
	__sync_val_compare_and_swap(&at->key, key, DEFERRED_OVER);
	return true;
}

/* Returns the row CLOSE -> SYN_SENT, which waited for the local port. */
static __always_inline struct row deferred_row(const struct lifecycle *l)
{
	return row_birth(TCPDWELL_CLOSE, TCPDWELL_SYN_SENT, l->since_ns,
			 TCPDWELL_SOURCE_TRACEPOINT);
}

/* Tells that row once the port is known. By its port the connection may turn out to be unwanted. */
static __always_inline void release_deferred(struct tcpdwell_counters *c, const struct sock *sk,
					     const struct endpoint *e, const struct lifecycle *l)
{
	struct row row = deferred_row(l);

	uncount(&c->held);
	if (filter_connection(sk, e, false))
		decide(c, &row, e, l);
	else
		count(&c->filtered);
}

/*
 * connect() has begun, and binds the port only after the transition (tcp_v4_connect()). Returns
 * whether the row now waits for the port.
 */
static __always_inline bool hold_for_port(struct transition *t, struct lifecycle *l,
					  const bool atomic)
{
	/* If nothing is shown as it comes, it is soon enough to look at the next transition. */
	bool in_ring = atomic && cfg_defer_connect && (cfg_rows || cfg_life);
	int err;

	if (!cfg_connect_exit && !cfg_defer_connect)
		return false;
	if (in_ring && !deferred_take(l))
		return false;
	l->object = (__u64)t->sk;
	l->waits |= LIFECYCLE_DEFERRED;
	lifecycle_enter(l, t->row->to, t->row->time_ns);
	err = connection_remember(t->c, t->key, l, BPF_ANY, atomic);
	if (in_ring)
		deferred_fill(l, err ? DEFERRED_OVER : t->key);
	if (err) {
		l->waits &= ~LIFECYCLE_DEFERRED;
		t->no_room = true;
		return false;
	}
	count(&t->c->held);
	if (config_filters_local_port() && !shared.deferred)
		shared.deferred = 1;
	if (!cfg_connect_exit)
		wake_reader();
	return true;
}

/* If the row of connect() has waited for its port until now, makes it the first row to tell. */
static __always_inline void transition_ends_wait(struct transition *t, struct lifecycle *l,
						 const bool atomic)
{
	if (!deferred_over(l, t->key, atomic))
		return;
	*t->first = deferred_row(l);
	uncount(&t->c->held);
}

/*
 * connect() has begun. Returns whether the row waits for its port, or was lost because there was no
 * room.
 */
static __always_inline bool transition_waits(struct transition *t, struct lifecycle *l,
					     const bool atomic)
{
	if (cfg_life)
		return false;
	if (t->e->lport) {
		l->waits |= LIFECYCLE_BOUND; /* @l is new, and nobody else has it yet */
		return false;
	}
	if (hold_for_port(t, l, atomic))
		return true;
	if (!config_filters_local_port())
		return false;
	/* There is no room to wait for the port, which the filter asks for. */
	count(&t->c->lost_map);
	return true;
}

#endif /* TCPDWELL_DEFERRED_BPF_H */
