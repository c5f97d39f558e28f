/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A transition of a full socket, as the tracepoint tells it.
 */
#ifndef TCPDWELL_TRANSITION_BPF_H
#define TCPDWELL_TRANSITION_BPF_H

#include "child.bpf.h"
#include "cookies.bpf.h"
#include "deferred.bpf.h"
#include "unaccepted.bpf.h"
#include "reason.bpf.h"
#include "request_slow.bpf.h"
#include "to_timewait.bpf.h"
#include "workspace.bpf.h"

/* Counts @rows as unwanted; where lives are summed, counts the connection at its end instead. */
static __always_inline void count_unwanted(struct tcpdwell_counters *c, __u8 to, __u32 rows)
{
	if (cfg_life)
		rows = to == TCPDWELL_CLOSE;
	__sync_fetch_and_add(&c->seen, rows);
	__sync_fetch_and_add(&c->filtered, rows);
}

/*
 * Counts an unwanted connection, which leaves no other trace. Ends its wait for a port, if it has
 * one.
 */
static __always_inline void transition_unwanted(struct transition *t, bool is_child,
						const bool atomic)
{
	struct lifecycle *l;

	count_unwanted(t->c, t->row->to, is_child ? 2 : 1);
	if (cfg_life && config_filters_local_port() && t->row->from == TCPDWELL_SYN_SENT)
		connection_forget(t->key);
	if (!shared.deferred || t->row->from != TCPDWELL_SYN_SENT)
		return;
	l = connection_find(t->key);
	if (!l)
		return;
	if (deferred_over(l, t->key, atomic)) {
		uncount(&t->c->held);
		count(&t->c->filtered);
	}
	connection_forget(t->key);
}

/*
 * connect() or listen() on a socket that had a connection before. That connection is a timewait
 * socket meanwhile, or its end was not told. Both connections have the same cookie, which from now
 * on stands for the new one. The end of the old one is not told.
 */
static __always_inline void last_life_over(const struct transition *t)
{
	if (!connection_find(t->key))
		return;
	count(&gaps);
	connection_forget(t->key);
}

/* Returns what is known of the connection before this transition; t->fresh if nothing is. */
static __always_inline struct lifecycle *transition_recall(struct transition *t)
{
	struct lifecycle *l = NULL;

	if (t->row->from != TCPDWELL_CLOSE && t->keyed)
		l = connection_find_with_life(t->key, &t->life);
	else if (cfg_has_cookie && t->keyed)
		last_life_over(t);
	if (l)
		return l;
	*t->fresh = connection_new(t->sk, t->key, t->e->uid);
	return t->fresh;
}

/* Notes that @sk enters @state. */
static __always_inline void sock_enters(struct lifecycle *l, const struct sock *sk, __u8 state,
					__u64 now_ns)
{
	lifecycle_enter(l, state, now_ns);
	if (state == TCPDWELL_FIN_WAIT1)
		data_count(sk, l);
	if (!lifecycle_has_fd(l))
		l->uid = sk->sk_uid.val;
}

/* Keeps what is known for the next transition. Returns whether it is kept. */
static __always_inline bool transition_remember(struct transition *t, struct lifecycle *l,
						const bool atomic)
{
	bool born;

	if (t->row->to == TCPDWELL_CLOSE) {
		if (t->known) {
			order_mostly(atomic); /* the slot is another's from here on */
			connection_forget(t->key);
		}
		return false;
	}
	sock_enters(l, t->sk, t->row->to, t->row->time_ns);
	if (t->known)
		return true;
	if (t->no_room)
		return false;
	born = t->row->from == TCPDWELL_CLOSE || t->row->from == TCPDWELL_SYN_RECV;
	if (born || !t->keyed)
		return !connection_remember(t->c, t->key, l, born ? BPF_ANY : BPF_NOEXIST, atomic);
	/* there was no room when the connection was met, and that was counted */
	return !table_insert(t->key, l, BPF_NOEXIST, false);
}

/*
 * Where lives are summed: returns whether @row is that of a connection that leaves a state. A
 * listener is no connection.
 */
static __always_inline bool leaves_state(const struct row *row)
{
	return row->from != TCPDWELL_CLOSE && row->from != TCPDWELL_LISTEN;
}

/*
 * close() after shutdown() sets the state that the socket already has (tcp_close_state()). That is
 * no transition, but the process that closes is the owner.
 */
static __always_inline void transition_to_itself(struct sock *sk, __u8 state)
{
	struct lifecycle *l = connection_find(sock_key(sk));
	__u8 actor = lifecycle_actor(state, state, 0, 0);

	if (!l)
		return;
	if (actor)
		owner_set_current(l, actor, false);
	if (state == TCPDWELL_FIN_WAIT1 || state == TCPDWELL_FIN_WAIT2)
		data_count(sk, l);
}

/*
 * Returns whether the event makes no row. That is so for close() of a socket that is shut down
 * already, for a child that is being cloned, and for a child that the call which cloned it throws
 * away, as no connection came of that. Otherwise notes in @t whether the socket is a child.
 */
static __always_inline bool transition_is_none(struct transition *t, __u8 from, __u8 to)
{
	if (from == to && !cfg_kernel_view) {
		transition_to_itself(t->sk, from);
		return true;
	}
	if (from == TCPDWELL_LISTEN && to == TCPDWELL_SYN_RECV) {
		child_born(address_of(t->sk), t->row->time_ns);
		return true;
	}
	if (from == TCPDWELL_SYN_RECV) {
		t->child = child_take(t->sk);
		t->fast = young_is_fast(t->sk, t->child, t->row->time_ns, t->fresh);
	}
	return t->child && !t->fast && to == TCPDWELL_CLOSE && !t->sk->sk_err && !cfg_kernel_view;
}

/*
 * Returns whether the connection is a child that this CPU saw being born. Its request may have
 * given it a cookie, if other programs ask for cookies, but only a snapshot can have met it since
 * then.
 */
static __always_inline bool is_newborn(const struct transition *t)
{
	return t->child && cfg_has_cookie && !shared.scanning;
}

/*
 * Reads the ends of the connection. Where one record at the end tells all, only the user is noted
 * before that, unless a filter needs the ends.
 */
static __always_inline void transition_read_ends(struct transition *t, __u8 to)
{
	if (cfg_life && to != TCPDWELL_CLOSE && !config_filters_connection()) {
		t->e->uid = t->sk->sk_uid.val;
		return;
	}
	endpoint_read(t->e, t->sk, true);
	if (to == TCPDWELL_CLOSE && !t->e->lport)
		endpoint_set_last_port(t->e, t->sk);
}

/* Reads the ends of the connection and asks the filters. Returns whether there is more to do. */
static __always_inline bool transition_is_wanted(struct transition *t, __u8 from, __u8 to,
						 const bool atomic)
{
	transition_read_ends(t, to);
	t->keyed = sock_has_key(t->sk) && !is_newborn(t);
	t->key = sock_key(t->sk);
	t->wanted = filter_connection(t->sk, t->e, to == TCPDWELL_SYN_SENT);
	/* Listeners are always remembered: they are few, and their children inherit the owner. */
	if (t->wanted || from == TCPDWELL_LISTEN || to == TCPDWELL_LISTEN)
		return true;
	transition_unwanted(t, t->child || t->fast, atomic);
	return false;
}

/* Returns what is known of the connection and of who holds it before this transition. */
static __always_inline struct lifecycle *transition_meet(struct transition *t, __u8 from, __u8 to)
{
	struct lifecycle *l;

	if (t->fast) {
		l = t->fresh;
		fast_child_birth(t, l);
	} else {
		l = transition_recall(t);
	}
	t->known = l != t->fresh;
	cgroup_match(l, t->sk);
	if (lifecycle_is_gap(l, from))
		count(&gaps);
	/* A row that still waits belongs to the process that connected. */
	if (t->known && !(l->waits & LIFECYCLE_DEFERRED))
		holder_ask(l, t->sk, t->key, from, to);
	return l;
}

/* Notes who caused a transition, if a process did, and where it has the socket. */
static __always_inline void sock_is_acted_on(struct lifecycle *l, const struct sock *sk, __u8 from,
					     __u8 to, __u32 facts, const bool atomic)
{
	__u8 actor = lifecycle_actor(from, to, sk->sk_err, facts);

	/* In SYN_RECV a softirq carries out shutdown() when the handshake is done (since 6.10). */
	if (!actor || (to == TCPDWELL_FIN_WAIT1 && !is_of_task(sk)))
		return;
	owner_set_current(l, actor, atomic);
	if (to != TCPDWELL_CLOSE && l->pid == bpf_get_current_pid_tgid() >> 32)
		holder_here(l, sk);
}

/* Tells the first row with the owner so far, then notes who acted. */
static __always_inline void transition_own(struct transition *t, struct lifecycle *l, __u8 from,
					   __u8 to, __u32 facts, const bool atomic,
					   const bool steps)
{
	owner_match(l);
	if (t->first->from)
		tell(t, t->first, l, steps);
	if (t->first->from == TCPDWELL_CLOSE) /* the row of connect() had waited */
		holder_ask(l, t->sk, t->key, from, to);
	sock_is_acted_on(l, t->sk, from, to, facts, atomic);
	if (to == TCPDWELL_LISTEN && t->wanted)
		listener_begins(address_of(t->sk), t->key);
	if (from == TCPDWELL_LISTEN)
		listener_ends(address_of(t->sk));
	if (from == TCPDWELL_LISTEN && cfg_requests && cfg_requests_early)
		requests_outlive(l, t->sk, t->key);
}

/* Tells the row if it is wanted, and keeps what is known for the next transition. */
static __always_inline void transition_settle(struct transition *t, struct lifecycle *l, __u8 from,
					      __u8 to, const bool atomic, const bool steps)
{
	__u32 stay;

	if (t->wanted)
		tell(t, t->row, l, steps);
	else if (!cfg_life)
		count(&t->c->filtered);
	if (cfg_life && to == TCPDWELL_CLOSE && leaves_state(t->row))
		life_sock_ended(t->row, t->e, l, transition_life(t), t->sk);
	stay = life_stay(from, t->row->dwell, l->state);
	if (cfg_stat_ends && t->wanted && to == TCPDWELL_CLOSE && t->known && leaves_state(t->row))
		transition_carried(t, l, atomic);
	if (!transition_remember(t, l, atomic) || !cfg_life || !leaves_state(t->row))
		return;
	if (t->life)
		life_leave(t->life, stay, t->row->dwell_ns, t->row->time_ns);
	else
		life_left(t->key, stay, t->row->dwell_ns, t->row->time_ns);
}

/* Makes the row wait, or tells it if it is wanted. */
static __always_inline void transition_end(struct transition *t, struct lifecycle *l, __u8 from,
					   __u8 to, const bool atomic, const bool steps)
{
	if (to == TCPDWELL_SYN_SENT && transition_waits(t, l, atomic))
		return;
	if (config_waits_for_accept() && l->waits & LIFECYCLE_UNACCEPTED &&
	    hold_unaccepted(t, l, atomic))
		return;
	transition_settle(t, l, from, to, atomic, steps);
}

/*
 * ---- In steps -----------------------------------------------------------------------------------
 *
 * This is what follows transition_meet(). In one piece, the verifier goes through all of it for
 * each path that leads here, and for each map that @l may be in. Where programs may make typed
 * pointers (6.2), it is therefore split into global functions. The verifier goes through each of
 * these once, whatever its callers know. The workspace holds what they share.
 */

__noinline int transition_step_child(struct workspace *space, struct child *child)
{
	struct transition t;

	if (!space || !child)
		return 0;
	t = transition_resume(space);
	if (t.c)
		child_birth(&t, t.fresh, child);
	return 0;
}

__noinline int transition_step_tw(struct workspace *space, struct lifecycle *l,
				  struct tcpdwell_life *life)
{
	struct transition t;

	if (!space || !l)
		return 0;
	t = transition_resume(space);
	t.life = life;
	return t.c && transition_to_tw(&t, l, true, true);
}

__noinline int transition_step_facts(struct workspace *space, struct lifecycle *l)
{
	struct transition t;
	__u32 facts;

	if (!space || !l)
		return 0;
	t = transition_resume(space);
	facts = transition_facts(&t, space, l, t.row->from, t.row->to);
	transition_describe(&t, l, facts);
	return facts;
}

__noinline int transition_step_own(struct workspace *space, struct lifecycle *l, __u32 facts)
{
	struct transition t;

	if (!space || !l)
		return 0;
	t = transition_resume(space);
	if (t.c)
		transition_own(&t, l, t.row->from, t.row->to, facts, true, true);
	return 0;
}

__noinline int transition_step_settle(struct workspace *space, struct lifecycle *l,
				      struct tcpdwell_life *life)
{
	struct transition t;

	if (!space || !l)
		return 0;
	t = transition_resume(space);
	t.life = life;
	if (t.c)
		transition_end(&t, l, t.row->from, t.row->to, true, true);
	return 0;
}

static __always_inline void transition_in_steps(struct workspace *space, struct transition *t,
						struct lifecycle *l, __u8 from, __u8 to)
{
	__u32 facts;

	transition_suspend(space, t);
	if (!t->known && t->child && !t->fast)
		transition_step_child(space, t->child);
	if (cfg_timewait && to == TCPDWELL_CLOSE && t->known &&
	    transition_step_tw(space, l, t->life))
		return;
	facts = transition_step_facts(space, l);
	count_seen(t->c);
	if (from == TCPDWELL_SYN_SENT)
		transition_ends_wait(t, l, true);
	if (transition_holds_child(t, l, to, true))
		return;
	transition_step_own(space, l, facts);
	transition_step_settle(space, l, t->life);
}

static __always_inline void transition_tell(struct workspace *space, struct sock *sk, __u8 from,
					    __u8 to, const bool atomic, const bool steps)
{
	struct transition t = {
		.c = counters_here(),
		.sk = sk,
		.e = &space->e,
		.row = &space->row,
		.first = &space->first,
		.fresh = &space->fresh,
	};
	struct lifecycle *l;
	__u32 facts;

	if (!t.c)
		return;
	*t.row = (struct row){ .from = from, .to = to, .time_ns = bpf_ktime_get_ns() };
	*t.first = (struct row){};
	if (transition_is_none(&t, from, to) || !transition_is_wanted(&t, from, to, atomic))
		return;
	l = transition_meet(&t, from, to);
	if (cfg_life && shared.over && !t.known)
		return; /* it was told of already, or begins after the end of the run */
	if (steps) {
		transition_in_steps(space, &t, l, from, to);
		return;
	}
	if (!t.known && t.child && !t.fast)
		child_birth(&t, l, t.child);
	if (cfg_timewait && to == TCPDWELL_CLOSE && t.known &&
	    transition_to_tw(&t, l, atomic, false))
		return;
	facts = transition_facts(&t, space, l, from, to);
	transition_describe(&t, l, facts);
	count_seen(t.c);
	if (from == TCPDWELL_SYN_SENT)
		transition_ends_wait(&t, l, atomic);
	if (transition_holds_child(&t, l, to, atomic))
		return;
	transition_own(&t, l, from, to, facts, atomic, false);
	transition_end(&t, l, from, to, atomic, false);
}

/* States of a connection whose handshake is over. */
#define STATES_OPEN                                                                         \
	(1U << TCPDWELL_ESTABLISHED | 1U << TCPDWELL_FIN_WAIT1 | 1U << TCPDWELL_FIN_WAIT2 | \
	 1U << TCPDWELL_CLOSE_WAIT | 1U << TCPDWELL_LAST_ACK | 1U << TCPDWELL_CLOSING)

/*
 * Returns whether the ports alone decide that a row is unwanted and that nothing is to be
 * remembered. Between the handshake and CLOSE a socket has both its ports (on its way to CLOSE, its
 * last ones), and it is neither a listener nor a child that has one.
 */
static __always_inline bool transition_is_idle(const struct sock *sk, __u8 from, __u8 to)
{
	if (!config_filters_local_port() && !cfg_filter_rport)
		return false;
	return from != to && STATES_OPEN >> (from & 31) & 1 &&
	       (to == TCPDWELL_CLOSE || STATES_OPEN >> (to & 31) & 1) &&
	       !ports_wanted(sk->__sk_common.skc_num ?: sock_last_port(sk),
			     bpf_ntohs(sk->__sk_common.skc_dport));
}

/*
 * The short way of a transition where only ends are told. A connection that goes on has no row
 * then, and one that is in its slot is wanted. So a move from one open state to another only notes
 * who acted, and adds to the sum of a life. The same holds for the end of a client's handshake,
 * unless the local port decides at that moment whether it is wanted. Returns false if there is more
 * to do than that. It is not inlined, because that takes less of the stack.
 */
static __noinline bool transition_moves_on(struct sock *sk, __u8 from, __u8 to)
{
	__u32 left = STATES_OPEN | !config_filters_local_port() << TCPDWELL_SYN_SENT;
	struct tcpdwell_counters *c;
	__u64 now_ns, dwell_ns, key;
	struct lifecycle *l;
	__u32 stay;

	if (from == to || !(left >> (from & 31) & 1) || !(STATES_OPEN >> (to & 31) & 1))
		return false;
	key = sk->__sk_common.skc_cookie.counter;
	l = recent_find(key);
	if (!l || l->state != from)
		return false;
	now_ns = bpf_ktime_get_ns();
	cgroup_match(l, sk);
	owner_match(l);
	stay = life_stay(from, lifecycle_dwell(l, from, now_ns, &dwell_ns), from);
	sock_is_acted_on(l, sk, from, to, 0, true);
	sock_enters(l, sk, to, now_ns);
	if (cfg_life) {
		life_leave(&((struct slot *)l)->life, stay, dwell_ns, now_ns);
		return true;
	}
	c = counters_here();
	if (c)
		count_unwanted(c, to, 1);
	return true;
}

static __always_inline void transition(struct sock *sk, __u8 from, __u8 to, const bool atomic,
				       const bool steps)
{
	struct workspace *bottom = workspace_at(0), *space;

	if (!bottom)
		return;
	if (!shared.live) {
		/* The child's request may end a moment later, and must not seem dropped then. */
		if (from == TCPDWELL_LISTEN && to == TCPDWELL_SYN_RECV)
			child_born(address_of(sk), bpf_ktime_get_ns());
		return;
	}
	if ((cfg_life || cfg_ends) && atomic && transition_moves_on(sk, from, to))
		return;
	if (transition_is_idle(sk, from, to)) {
		struct tcpdwell_counters *c = counters_here();

		if (c)
			count_unwanted(c, to, 1);
		return;
	}
	space = workspace_at(bottom->depth++);
	if (space) /* softirqs do not nest, so there is always one */
		transition_tell(space, sk, from, to, atomic, steps);
	if (from == TCPDWELL_SYN_RECV && shared.young)
		young_over(sk, sock_key(sk), atomic);
	bottom->depth--;
}

#endif /* TCPDWELL_TRANSITION_BPF_H */
