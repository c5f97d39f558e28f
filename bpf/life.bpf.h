/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each connection did, summed from transition to transition, and the one record at its end.
 *
 * A sum is stored beside the connection: behind it in its slot (recent.bpf.h), or under the same
 * key in a table of the same size (table.bpf.h). It is made when the connection leaves a state for
 * the first time. Only the program that handles the connection's transitions writes the sum, except
 * for accept().
 */
#ifndef TCPDWELL_LIFE_BPF_H
#define TCPDWELL_LIFE_BPF_H

#include "emit.bpf.h"
#include "recent.bpf.h"
#include "table.bpf.h"
#include "workspace.bpf.h"

/* The initial value of a sum. It is too large for the stack of programs that call each other. */
static const struct tcpdwell_life life_nothing;

/*
 * ---- Where sums are -----------------------------------------------------------------------------
 */

static __noinline struct tcpdwell_life *life_find(__u64 key)
{
	struct slot *slot;
	__u32 number;
	void *table;

	if (!cfg_life)
		return NULL;
	slot = (struct slot *)recent_find(key);
	if (slot)
		return &slot->life;
	if (tables_are_spread(&number))
		number = life_table_of(address_of((const void *)key), false);
	table = lives_at(number);
	return table ? bpf_map_lookup_elem(table, &key) : NULL;
}

/*
 * Makes a sum in a table: in the current one if there is room, else in another. Returns the number
 * of the table, or -E2BIG. It is a function of numbers, so the verifier walks through its loop
 * once.
 */
__noinline int life_make(__u64 key)
{
	__u32 current = tables.current;

	for (__u32 step = 0; cfg_life && step <= TCPDWELL_TABLES; step++) {
		__u32 number = step ? TCPDWELL_TABLES - step : current;
		void *table = step && number == current ? NULL : lives_at(number);

		if (!table || bpf_map_update_elem(table, &key, &life_nothing, BPF_NOEXIST))
			continue;
		if (number != current)
			tables.spread = 1;
		return number;
	}
	return -E2BIG;
}

static __noinline struct tcpdwell_life *life_find_or_make(__u64 key)
{
	struct tcpdwell_life *life = life_find(key);
	int number;
	void *table;

	if (life)
		return life;
	number = life_make(address_of((const void *)key));
	table = number < 0 ? NULL : lives_at(number);
	return table ? bpf_map_lookup_elem(table, &key) : NULL;
}

/* Forgets the sum of a connection that has no slot. */
static __always_inline void life_forget(__u64 key)
{
	__u32 number;
	void *table;

	if (!cfg_life)
		return;
	if (tables_are_spread(&number)) {
		life_table_of(address_of((const void *)key), true);
		return;
	}
	table = lives_at(number);
	if (table)
		bpf_map_delete_elem(table, &key);
}

/*
 * ---- Summing ------------------------------------------------------------------------------------
 */

/*
 * The connection leaves its first state, and was open at @opened_ns at the latest. Its opening time
 * is exact only if that state is one of a handshake; otherwise it is a lower bound of the age.
 */
static __always_inline void life_open(struct tcpdwell_life *life, __u8 state, __u8 dwell,
				      __u64 opened_ns)
{
	if (life->opened_ns)
		return;
	life->opened_ns = opened_ns;
	if (dwell == TCPDWELL_DWELL_EXACT && state != TCPDWELL_SYN_SENT &&
	    state != TCPDWELL_SYN_RECV)
		dwell = TCPDWELL_DWELL_AT_LEAST;
	life->opened = dwell;
}

/* Adds a state that was left after @dwell_ns. */
static __always_inline void life_add(struct tcpdwell_life *life, __u8 state, __u8 dwell,
				     __u64 dwell_ns)
{
	__u32 at;

	if (!state || state >= TCPDWELL_STATE_MAX)
		return;
	life->visited |= 1U << state;
	at = tcpdwell_life_index(state);
	if (at >= TCPDWELL_LIFE_DWELLS)
		return;
	life->dwell_ns[at] = dwell_ns;
	life->worth |= (__u32)dwell << tcpdwell_life_worth_at(state);
}

/*
 * Returns the state that is left, what its dwell is worth, and the state that the connection was
 * last known in, as one number.
 */
static __always_inline __u32 life_stay(__u8 state, __u8 dwell, __u8 known)
{
	return state | (__u32)dwell << 8 | (__u32)known << 16;
}

/*
 * A state was left at @now_ns. If the connection was last known in another state, it left that one
 * without an event. It is not inlined, to spare its caller's stack.
 */
static __noinline int life_leave(struct tcpdwell_life *life, __u32 stay, __u64 dwell_ns,
				 __u64 now_ns)
{
	__u8 state = stay, dwell = stay >> 8, known = stay >> 16;

	life_open(life, state, dwell, now_ns - dwell_ns);
	if (known && known != state)
		life_add(life, known, TCPDWELL_DWELL_UNKNOWN, 0);
	life_add(life, state, dwell, dwell_ns);
	return 0;
}

/*
 * Does what life_leave() does for the connection of @key, wherever its life is. It is a function of
 * numbers, so the verifier looks at it once, not at each call.
 */
__noinline int life_left(__u64 key, __u32 stay, __u64 dwell_ns, __u64 now_ns)
{
	struct tcpdwell_life *life = life_find_or_make(key);
	struct tcpdwell_counters *c = counters_here();

	if (!c || !cfg_life)
		return 0;
	if (life)
		life_leave(life, stay, dwell_ns, now_ns);
	else
		count(&c->untracked);
	return 0;
}

/* accept() hands the connection on. */
static __always_inline void life_accept(struct tcpdwell_life *life)
{
	if (!life->accepted_ns)
		life->accepted_ns = bpf_ktime_get_ns();
}

/* Does what life_accept() does for the connection of @key. */
__noinline int life_accepted(__u64 key)
{
	struct tcpdwell_life *life = life_find(key);

	if (cfg_life && life)
		life_accept(life);
	return 0;
}

/*
 * Reads what the socket has counted so far. @state is the one that it is in, or is about to leave.
 */
static __always_inline void numbers_read(struct tcpdwell_numbers *n, const struct sock *sk,
					 __u8 state)
{
	__u32 una = PEEK(tcp_sock, sk, snd_una);

	n->bytes_sent = PEEK(tcp_sock, sk, bytes_sent);
	n->bytes_retrans = PEEK(tcp_sock, sk, bytes_retrans);
	n->bytes_acked = PEEK(tcp_sock, sk, bytes_acked);
	n->bytes_received = PEEK(tcp_sock, sk, bytes_received);
	n->in_flight = PEEK(tcp_sock, sk, snd_nxt) - una;
	n->unacked = PEEK(tcp_sock, sk, write_seq) - una;
	n->unread = PEEK(tcp_sock, sk, rcv_nxt) - PEEK(tcp_sock, sk, copied_seq);
	n->segments_sent = PEEK(tcp_sock, sk, data_segs_out);
	n->segments_received = PEEK(tcp_sock, sk, data_segs_in);
	n->retransmits = PEEK(tcp_sock, sk, total_retrans);
	n->srtt_us = PEEK(tcp_sock, sk, srtt_us);
	n->rtt_min_us = PEEK(tcp_sock, sk, rtt_min.s[0].v);
	n->flags = TCPDWELL_NUMBERS_READ;
	if (PEEK(sock, sk, __sk_common.skc_flags) & (1UL << SOCK_DONE))
		n->flags |= TCPDWELL_NUMBERS_PEER_DONE;
	if (PEEK(sock, sk, sk_receive_queue.qlen))
		n->flags |= TCPDWELL_NUMBERS_QUEUED;
	n->state = state;
	__builtin_memset(n->pad, 0, sizeof(n->pad));
}

/* Returns a number that changes with each sequence number of which the differences are made. */
static __always_inline __u64 numbers_stamp(const struct sock *sk)
{
	return PEEK(tcp_sock, sk, snd_una) + 3ULL * PEEK(tcp_sock, sk, snd_nxt) +
	       5ULL * PEEK(tcp_sock, sk, write_seq) + 7ULL * PEEK(tcp_sock, sk, rcv_nxt) +
	       11ULL * PEEK(tcp_sock, sk, copied_seq);
}

#define NUMBERS_TRIES 4

/*
 * Reads the numbers of a socket that others use and may change meanwhile. If they do not keep
 * still, reads none rather than torn ones.
 */
static __always_inline void numbers_read_unlocked(struct tcpdwell_numbers *n, const struct sock *sk,
						  __u8 state)
{
	for (int i = 0; i < NUMBERS_TRIES; i++) {
		__u64 stamp = numbers_stamp(sk);

		numbers_read(n, sk, state);
		if (numbers_stamp(sk) == stamp)
			return;
	}
	n->flags = 0;
}

/*
 * ---- The record ---------------------------------------------------------------------------------
 */

static __always_inline void connection_fill(struct tcpdwell_connection *t, const struct row *row,
					    const struct endpoint *e, const struct lifecycle *l)
{
	t->kind = TCPDWELL_CONNECTION;
	t->size = sizeof(*t);
	t->state = row->to ?: row->from;
	t->family = e->family;
	t->flags = row->to ? 0 : TCPDWELL_CONNECTION_OPEN;
	t->reason = row->reason;
	t->ended_ns = row->time_ns;
	t->cookie = l->id;
	t->cgroup_id = e->cgroup_id;
	t->netns = e->netns;
	t->uid = e->uid;
	t->err = row->err;
	t->lport = e->lport;
	t->rport = e->rport;
	__builtin_memset(t->pad, 0, sizeof(t->pad));
	__builtin_memcpy(t->laddr, e->laddr, sizeof(t->laddr));
	__builtin_memcpy(t->raddr, e->raddr, sizeof(t->raddr));
	t->holders = l->holders;
	owner_read(l, &t->pid, t->comm, &t->owner);
}

/* Fills in all of a life but the numbers, including the last state, which @row leaves, or is in. */
static __always_inline void connection_sum(struct tcpdwell_life *to, const struct row *row,
					   const struct lifecycle *l,
					   const struct tcpdwell_life *life)
{
	if (life)
		__builtin_memcpy(to, life, LIFE_SUMS_BYTES);
	else
		__builtin_memset(to, 0, LIFE_SUMS_BYTES);
	to->dwell_ns[tcpdwell_life_index(TCPDWELL_TIME_WAIT)] = 0;
	life_open(to, row->from, row->dwell ? l->since : TCPDWELL_DWELL_UNKNOWN,
		  row->time_ns - row->dwell_ns);
	if (l->state != row->from)
		life_add(to, l->state, TCPDWELL_DWELL_UNKNOWN, 0);
	life_add(to, row->from, row->dwell, row->dwell_ns);
}

static __always_inline void life_record(const struct row *row, const struct endpoint *e,
					const struct lifecycle *l, const struct tcpdwell_life *life,
					const struct sock *sk, const bool locked)
{
	struct tcpdwell_counters *c = counters_here();
	struct tcpdwell_connection *t;

	if (!c || !cfg_life)
		return;
	count(&c->seen);
	if (!owner_wanted(l) || (cfg_uid_count && !uid_wanted(e->uid))) {
		count(&c->filtered);
		return;
	}
	t = ring_reserve(l->id, sizeof(*t));
	if (!t) {
		count(&c->lost_ring);
		return;
	}
	connection_fill(t, row, e, l);
	connection_sum(&t->life, row, l, life);
	if (sk && locked)
		numbers_read(&t->life.numbers, sk, row->from);
	else if (sk)
		numbers_read_unlocked(&t->life.numbers, sk, row->from);
	else if (life && life->kept)
		t->life.numbers = life->numbers;
	else
		__builtin_memset(&t->life.numbers, 0, sizeof(t->life.numbers));
	ring_submit(c, t, l->id);
}

/*
 * The connection, which has no full socket any more, ends with @row. @life is what was summed
 * before; NULL: nothing. This function and the next ones are not inlined, to spare the stack of
 * their callers. They are static, so that they take typed pointers.
 */
static __noinline int life_ended(const struct row *row, const struct endpoint *e,
				 const struct lifecycle *l, const struct tcpdwell_life *life)
{
	life_record(row, e, l, life, NULL, true);
	return 0;
}

/*
 * The connection goes on. Its state is @row's from, and @row's to is 0. @sk is the full socket;
 * NULL: there is none.
 */
static __noinline int life_goes_on(const struct row *row, const struct endpoint *e,
				   const struct lifecycle *l, const struct tcpdwell_life *life,
				   const struct sock *sk)
{
	life_record(row, e, l, life, sk, false);
	return 0;
}

/* The full socket @sk closes. */
static __noinline int life_sock_ended(const struct row *row, const struct endpoint *e,
				      const struct lifecycle *l, const struct tcpdwell_life *life,
				      const struct sock *sk)
{
	life_record(row, e, l, life, sk, true);
	return 0;
}

/*
 * The full socket @sk closes. Its connection, whose sum is under @key, goes on as the timewait
 * socket at @tw, which has no numbers, so they are kept here. @left says whether the connection
 * leaves a state by that.
 */
static __noinline int life_to_tw(const struct row *row, const struct sock *sk, __u64 key, __u64 tw,
				 bool left)
{
	struct tcpdwell_life *life = life_find_or_make(key), *moved;

	if (!life)
		return 0;
	if (left) {
		life_open(life, row->from, row->dwell, row->time_ns - row->dwell_ns);
		life_add(life, row->from, row->dwell, row->dwell_ns);
	}
	numbers_read(&life->numbers, sk, row->from);
	life->kept = 1;
	if (cfg_has_cookie)
		return 0;
	moved = life_find_or_make(tw);
	if (moved)
		*moved = *life;
	life_forget(key);
	return 0;
}

/* Returns what was summed of the connection so far; NULL if nothing was. */
static __always_inline struct tcpdwell_life *transition_life(const struct transition *t)
{
	return t->life ?: life_find(t->key);
}

#endif /* TCPDWELL_LIFE_BPF_H */
