/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Timewait sockets: a connection in TIME_WAIT, and an orphan in FIN_WAIT2.
 *
 * tcp_time_wait() moves a connection to a struct inet_timewait_sock, arms its timer and closes the
 * full socket. The tracepoint sees only the last of these. The backends differ in how they learn
 * that the timer is armed, runs out or is taken off. What follows from that is the same for all,
 * and is in this file.
 *
 * In most of the programs a timewait socket is no BTF pointer, so helpers read everything.
 */
#ifndef TCPDWELL_TIMEWAIT_BPF_H
#define TCPDWELL_TIMEWAIT_BPF_H

#include "ehash.bpf.h"
#include "process.bpf.h"
#include "reset.bpf.h"

/* Keys of connections whose timewait socket was born in FIN_WAIT2 and may flip to TIME_WAIT. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16384);
	__type(value, __u64);
} orphans SEC(".maps");

/* What this CPU last saw of timewait sockets. */
struct tw_slot {
	__u64 processed;  /* one that a segment came for */
	__u64 syn;	  /* one that a SYN is about to reuse */
	__u64 reset;	  /* one that is about to end by an RST of ours */
	__u64 parked_key; /* the last one that was parked */
	__u32 parked_hash;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tw_slot);
} tw_slots SEC(".maps");

/* TCP_TIMEWAIT_LEN, include/net/tcp.h. */
#define TIMEWAIT_SECONDS 60

/*
 * Return values of tcp_timewait_state_process() (enum tcp_tw_status): it asks for an RST, or lets a
 * SYN take over.
 */
#define TCP_TW_RST 1
#define TCP_TW_SYN 3

static __always_inline struct inet_timewait_sock *tw_of_timer(struct timer_list *timer)
{
	return (void *)timer - bpf_core_field_offset(struct inet_timewait_sock, tw_timer);
}

/*
 * The timer wheel rounds up to the granularity of the level that it puts a timer in. Each level is
 * 8 times coarser than the one below (kernel/time/timer.c: calc_index(), since 4.8). The wheel
 * notes the index in timer_list.flags, which gives the level.
 */
#define TIMER_INDEX_SHIFT 22
#define TIMER_LEVEL_SIZE  64
#define TIMER_LEVEL_SHIFT 3

static __always_inline __u64 timer_due(__u64 expires, __u32 flags)
{
	__u32 level = (flags >> TIMER_INDEX_SHIFT) / TIMER_LEVEL_SIZE;
	__u32 shift = level * TIMER_LEVEL_SHIFT;

	return ((expires >> shift) + 1) << shift;
}

/* The timewait socket is a copy of the full socket, cookie included (inet_twsk_alloc()). */
static __always_inline __u64 tw_key(const struct inet_timewait_sock *tw)
{
	return cfg_has_cookie ?
		       (__u64)PEEK(inet_timewait_sock, tw, __tw_common.skc_cookie.counter) :
		       (__u64)tw;
}

/*
 * How many orphans go on as timewait sockets, by what is left of their keys. It may be more than
 * there are, never less. This is kept where lives are summed and nobody waits for the end of
 * TIME_WAIT: then no other connection goes on as a timewait socket, and the timers of most timewait
 * sockets end no connection. To look for one would touch memory that has been cold for a minute.
 */
#define ORPHAN_COUNTS 4096

static volatile __u32 orphan_counts[ORPHAN_COUNTS];

static __always_inline volatile __u32 *orphan_count(__u64 key)
{
	return &orphan_counts[(key ^ key >> 12) & (ORPHAN_COUNTS - 1)];
}

static __always_inline bool orphans_are_counted(void)
{
	return cfg_life && !cfg_time_wait;
}

static __always_inline struct lifecycle *tw_find(const struct inet_timewait_sock *tw)
{
	__u64 key = ports_pass(&tw->__tw_common) ? tw_key(tw) : 0;
	struct lifecycle *l;

	if (!key || (orphans_are_counted() && !*orphan_count(key)))
		return NULL;
	l = connection_find(key);

	return l && l->marks & LIFECYCLE_TW && l->object == (__u64)tw ? l : NULL;
}

/* Reads the ends. What the timewait socket lacks was noted when the full socket closed. */
static __always_inline void tw_endpoint(struct endpoint *e, const struct inet_timewait_sock *tw,
					const struct lifecycle *l)
{
	endpoint_read_common(e, &tw->__tw_common, false);
	e->uid = l->uid;
	e->cgroup_id = l->cgroup_id;
}

/*
 * How far a time that follows from a timer may be off: by two jiffies, since each end of the dwell
 * lies somewhere in its own jiffy.
 */
#define TICKS_NS (2 * cfg_tick_ns)

/* The same in the unit of a record. With the longest jiffies, of 10 ms, it still fits the byte. */
#define TICK_ERROR ((TICKS_NS + TCPDWELL_ERROR_UNIT_NS - 1) / TCPDWELL_ERROR_UNIT_NS)

/*
 * Returns a row of a timewait socket, never earlier than the row before. Otherwise time could run
 * backwards: one CPU may find the flip while another ends the timewait socket, and a flip is exact
 * only to a jiffy if a timer tells of it.
 */
static __always_inline struct row tw_row(const struct lifecycle *l, __u8 to, __u64 time_ns)
{
	struct row row = {
		.from = l->state,
		.to = to,
		.time_ns = time_ns < l->since_ns ? l->since_ns : time_ns,
		.source = TCPDWELL_SOURCE_TIMEWAIT_SOCK,
	};

	row.dwell = lifecycle_dwell(l, row.from, row.time_ns, &row.dwell_ns);
	if (l->waits & LIFECYCLE_TO_A_TICK)
		row.dwell_error = TICK_ERROR;
	return row;
}

/* The connection of @key is over with @row. */
static __always_inline void tw_over(const struct endpoint *e, __u64 key, const struct lifecycle *l,
				    const struct row *row)
{
	if (cfg_life)
		life_ended(row, e, l, life_find(key));
	if (orphans_are_counted() && l->marks & LIFECYCLE_TW_FIN_WAIT2)
		__sync_fetch_and_add(orphan_count(key), -1);
	if (cfg_recent)
		order_mostly(false); /* the slot is another's from here on */
	connection_forget(key);
}

/*
 * Returns whether the connection's life ends with the entry into TIME_WAIT, because the command
 * does not wait for the end of that.
 */
static __always_inline bool tw_is_told(const struct lifecycle *l)
{
	return cfg_life && !cfg_time_wait && !(l->marks & LIFECYCLE_TW_FIN_WAIT2);
}

/*
 * The timewait socket of an orphan got the peer's FIN: FIN_WAIT2 -> TIME_WAIT. Returns whether the
 * connection is forgotten, because nothing more is to be told of it.
 */
static __always_inline bool tw_flip(struct tcpdwell_counters *c, const struct endpoint *e,
				    __u64 key, struct lifecycle *l, __u64 time_ns)
{
	struct row row = tw_row(l, TCPDWELL_TIME_WAIT, time_ns);

	count_seen(c);
	decide(c, &row, e, l);
	if (cfg_life && !cfg_time_wait) {
		row.reason = TCPDWELL_REASON_FIN;
		tw_over(e, key, l, &row);
		return true;
	}
	if (cfg_life)
		life_left(key, life_stay(row.from, row.dwell, row.from), row.dwell_ns, row.time_ns);
	lifecycle_enter(l, TCPDWELL_TIME_WAIT, row.time_ns);
	return false;
}

/*
 * The same if only the timer tells when (tw_armed_ns()). This dwell and the next are exact to a
 * jiffy then.
 */
static __always_inline bool tw_flip_by_timer(struct tcpdwell_counters *c, const struct endpoint *e,
					     __u64 key, struct lifecycle *l, __u64 time_ns)
{
	/*
	 * 5.10 has no atomic or. No other CPU adds the bit, since only one flips or ends a timewait
	 * socket.
	 */
	if (!(l->waits & LIFECYCLE_TO_A_TICK))
		__sync_fetch_and_add(&l->waits, LIFECYCLE_TO_A_TICK);
	return tw_flip(c, e, key, l, time_ns);
}

/* Tells the end of a timewait socket of which everything before has been told. */
static __always_inline void tw_close(struct tcpdwell_counters *c, const struct endpoint *e,
				     __u64 key, const struct lifecycle *l, __u64 time_ns,
				     __u8 reason)
{
	struct row row = tw_row(l, TCPDWELL_CLOSE, time_ns);

	row.reason = reason;
	count_seen(c);
	decide(c, &row, e, l);
	tw_over(e, key, l, &row);
}

/*
 * Returns when a timewait socket entered TIME_WAIT, by its timer: 60 s before that runs out. Each
 * segment in TIME_WAIT arms the timer anew, so the result is the time of the last segment. It is
 * exact to a jiffy.
 */
static __always_inline __u64 tw_armed_ns(const struct inet_timewait_sock *tw, __u64 now_ns)
{
	__u64 full = TIMEWAIT_SECONDS * 1000000000ULL / cfg_tick_ns;
	__u64 past = bpf_jiffies64() + full - PEEK(inet_timewait_sock, tw, tw_timer.expires);

	return past < full + full ? now_ns - past * cfg_tick_ns : now_ns;
}

/*
 * Returns whether a timewait socket has gone from FIN_WAIT2 to TIME_WAIT without an event, by a
 * silent re-arm. Only one that was made in FIN_WAIT2 can do so. For one that was made in TIME_WAIT,
 * the full socket's last transition is about to tell of the state.
 */
static __always_inline bool tw_flipped(const struct inet_timewait_sock *tw,
				       const struct lifecycle *l)
{
	return l->state == TCPDWELL_FIN_WAIT2 && l->marks & LIFECYCLE_TW_FIN_WAIT2 &&
	       PEEK(inet_timewait_sock, tw, tw_substate) == TCPDWELL_TIME_WAIT;
}

/*
 * From the full socket's last transition on, which comes in the same call, @tw stands for the
 * connection.
 */
static __always_inline void tw_takes_over(struct lifecycle *l, const struct inet_timewait_sock *tw)
{
	l->marks |= LIFECYCLE_TW;
	if (PEEK(inet_timewait_sock, tw, tw_substate) == TCPDWELL_FIN_WAIT2) {
		if (orphans_are_counted())
			__sync_fetch_and_add(orphan_count(tw_key(tw)), 1);
		l->marks |= LIFECYCLE_TW_FIN_WAIT2;
	}
	l->object = (__u64)tw;
}

/*
 * Returns whether a timewait socket that is armed may be the one that takes over. A full socket
 * that has connected again has the same cookie as its last connection, whose timewait socket goes
 * on.
 */
static __always_inline bool tw_may_take_over(const struct lifecycle *l)
{
	return l->state == TCPDWELL_FIN_WAIT1 || l->state == TCPDWELL_FIN_WAIT2 ||
	       l->state == TCPDWELL_CLOSING;
}

/* The timer is armed, either for the first time, or again because a segment came. */
static __always_inline void tw_armed(struct inet_timewait_sock *tw)
{
	__u64 key = ports_pass(&tw->__tw_common) ? tw_key(tw) : 0;
	__u64 now_ns = bpf_ktime_get_ns();
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = key ? connection_find(key) : NULL;
	struct endpoint e;

	if (!c || !l)
		return;
	if (!(l->marks & LIFECYCLE_TW)) {
		if (tw_may_take_over(l))
			tw_takes_over(l, tw);
		return;
	}
	l->marks &= ~LIFECYCLE_PARKED;
	if (!tw_flipped(tw, l))
		return;
	tw_endpoint(&e, tw, l);
	tw_flip(c, &e, key, l, now_ns);
}

/*
 * Without cookies: moves what was known under the full socket's address to the timewait socket's
 * address.
 */
static __always_inline void tw_born(struct inet_timewait_sock *tw, struct sock *sk)
{
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = connection_find((__u64)sk);

	if (!c || !l)
		return;
	tw_takes_over(l, tw);
	if (!tw_is_told(l))
		connection_remember(c, (__u64)tw, l, BPF_ANY, false);
}

/*
 * @sk closes, and no event has told whether a timewait socket takes over. If one does, it is in the
 * chain that @sk was in until now (inet_twsk_hashdance(), since 6.12
 * inet_twsk_hashdance_schedule()).
 */
static __always_inline void tw_seek(struct lifecycle *l, const struct sock *sk, __u64 key)
{
	const struct net *net = FOLLOW(sock, sk, __sk_common.skc_net.net);
	__u64 node = chain_first(ehash_bucket(net, sk->__sk_common.skc_hash));

	for (int i = 0; i < EHASH_STEPS; i++) {
		const struct sock_common *skc = chain_step(&node);

		if (!skc)
			break;
		if ((__u64)PEEK(sock_common, skc, skc_cookie.counter) == key &&
		    PEEK(sock_common, skc, skc_state) == TCPDWELL_TIME_WAIT) {
			tw_takes_over(l, (const struct inet_timewait_sock *)skc);
			return;
		}
	}
}

/* The timer ran out. */
static __always_inline void tw_expired(struct inet_timewait_sock *tw)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = tw_find(tw);
	struct endpoint e;

	if (!c || !l)
		return;
	tw_endpoint(&e, tw, l);
	if (tw_flipped(tw, l) && tw_flip_by_timer(c, &e, tw_key(tw), l, tw_armed_ns(tw, now_ns)))
		return;
	tw_close(c, &e, tw_key(tw), l, now_ns,
		 l->state == TCPDWELL_TIME_WAIT ? TCPDWELL_REASON_TIMEWAIT_EXPIRED :
						  TCPDWELL_REASON_TIMEOUT);
}

/*
 * Returns whether the namespace of a socket, full or timewait, has no user left and is being taken
 * down.
 */
static __always_inline bool netns_is_gone(const struct sock_common *skc)
{
	const struct net *net = PEEK(sock_common, skc, skc_net.net);

	if (bpf_core_field_exists(net->ns.__ns_ref))
		return !PEEK(net, net, ns.__ns_ref.refs.counter);
	if (bpf_core_field_exists(net->ns.count))
		return !BPF_CORE_READ(net, ns.count.refs.counter);
	return !BPF_CORE_READ(net, count.refs.counter);
}

/*
 * Returns why a timewait socket ends early, as far as that shows; else TCPDWELL_REASON_NONE.
 * connect() takes the socket out of the hash table before it takes off the timer
 * (__inet_check_established()).
 */
static __always_inline __u8 tw_end_reason(const struct inet_timewait_sock *tw)
{
	if (!PEEK(inet_timewait_sock, tw, __tw_common.skc_nulls_node.pprev))
		return TCPDWELL_REASON_TIMEWAIT_REUSED;
	if (netns_is_gone(&tw->__tw_common))
		return TCPDWELL_REASON_NETNS_GONE;
	if (current_kills())
		return TCPDWELL_REASON_ABORTED;
	return TCPDWELL_REASON_NONE;
}

static __always_inline struct tw_slot *tw_slot_here(void)
{
	__u32 zero = 0;

	return cfg_timewait ? bpf_map_lookup_elem(&tw_slots, &zero) : NULL;
}

/*
 * Returns the reason for an end by an RST, by whose RST it was. In TIME_WAIT an RST assassinates
 * the connection (RFC 1337); in FIN_WAIT2 it is like any other. Since 6.10 a tracepoint tells of an
 * RST that answers for a timewait socket; before, only the return value of
 * tcp_timewait_state_process() tells. With the timer backend the end may just as well come from a
 * SYN that reuses the timewait socket, unless requests are seen.
 */
static __always_inline __u8 tw_reset_reason(const struct inet_timewait_sock *tw,
					    const struct tw_slot *slot, const struct lifecycle *l,
					    __u64 flipped)
{
	if (flipped || l->state == TCPDWELL_TIME_WAIT)
		return cfg_poll_timewait && !cfg_requests ? TCPDWELL_REASON_NONE :
							    TCPDWELL_REASON_TIMEWAIT_RESET;
	if (slot->reset == (__u64)tw || reset_is_fresh(tw, &tw->__tw_common))
		return TCPDWELL_REASON_RESET_SENT;
	return cfg_resets ? TCPDWELL_REASON_RESET_RECEIVED : TCPDWELL_REASON_NONE;
}

/* Whoever calls inet_twsk_deschedule_put() ends the timewait socket early. */
static __always_inline void tw_descheduled(struct inet_timewait_sock *tw)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct tcpdwell_counters *c = counters_here();
	struct tw_slot *slot = tw_slot_here();
	struct lifecycle *l = tw_find(tw);
	struct endpoint e;
	__u8 reason;

	if (!c || !slot || !l)
		return;
	tw_endpoint(&e, tw, l);
	if (tw_flipped(tw, l) && tw_flip(c, &e, tw_key(tw), l, now_ns))
		return;
	reason = tw_end_reason(tw);
	if (reason == TCPDWELL_REASON_NONE)
		reason = slot->syn == (__u64)tw ? TCPDWELL_REASON_TIMEWAIT_REUSED :
						  tw_reset_reason(tw, slot, l, 0);
	tw_close(c, &e, tw_key(tw), l, now_ns, reason);
}

/*
 * Notes the return value of tcp_timewait_state_process(). It tells what ends the timewait socket
 * within the same call of its caller.
 */
static __always_inline void tw_processed(const struct inet_timewait_sock *tw, int status)
{
	struct tw_slot *slot = tw_slot_here();

	if (!slot)
		return;
	slot->syn = status == TCP_TW_SYN ? (__u64)tw : 0;
	slot->reset = status == TCP_TW_RST ? (__u64)tw : 0;
}

/*
 * Returns whether the timer of a timewait socket that has flipped can tell when. The kernel sets
 * the state first and the timer a microsecond later (tcp_timewait_state_process()), so the timer is
 * read in the next run of the flush.
 */
static __always_inline bool flip_is_settled(struct lifecycle *l)
{
	__u32 odd = flush_runs & 1 ? LIFECYCLE_FLIPPED_ODD : 0;

	if (l->waits & LIFECYCLE_FLIPPED)
		return (l->waits & LIFECYCLE_FLIPPED_ODD) != odd;
	__sync_fetch_and_add(&l->waits, LIFECYCLE_FLIPPED | odd);
	return false;
}

/*
 * Looks at one of the timewait sockets that may flip without an event. It goes to the end of the
 * queue if it has not flipped. Its memory may have been given to another socket, so only one with
 * its cookie is looked at.
 */
__noinline int flush_orphan(__u64 now_ns)
{
	struct tcpdwell_counters *c = counters_here();
	const struct inet_timewait_sock *tw;
	struct lifecycle *l;
	struct endpoint e;
	__u64 key;

	if (!c || !cfg_poll_timewait || bpf_map_pop_elem(&orphans, &key))
		return FLUSH_DONE;
	l = connection_find(key);
	if (!l || !(l->marks & LIFECYCLE_TW) || l->marks & LIFECYCLE_PARKED ||
	    l->state != TCPDWELL_FIN_WAIT2)
		return 0; /* gone, or another program that ended or armed it knows more */
	tw = (const struct inet_timewait_sock *)l->object;
	if (tw_key(tw) != key)
		return 0;
	if (!tw_flipped(tw, l) || !flip_is_settled(l)) {
		bpf_map_push_elem(&orphans, &key, 0);
		return 0;
	}
	tw_endpoint(&e, tw, l);
	tw_flip_by_timer(c, &e, key, l, tw_armed_ns(tw, now_ns));
	return 0;
}

#endif /* TCPDWELL_TIMEWAIT_BPF_H */
