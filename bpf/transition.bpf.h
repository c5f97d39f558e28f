/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A transition of a full socket, as the tracepoint tells it.
 */
#ifndef TCPDWELL_TRANSITION_BPF_H
#define TCPDWELL_TRANSITION_BPF_H

#include "carried.bpf.h"
#include "cookies.bpf.h"
#include "request.bpf.h"
#include "young.bpf.h"

/* What one transition works on until its row is out. */
struct workspace {
	struct endpoint e;
	struct row row;
	struct row first;	/* what has to be told before it, if its state is not 0 */
	struct lifecycle fresh; /* of a connection that was not known */
	__u64 sk;		/* these are struct transition's, between two steps of it */
	__u64 key;
	bool known;
	bool wanted;
	bool keyed;
	__u32 number; /* see blurred() */
	__u32 depth;  /* of a CPU's first: how many of its workspaces are in use */
};

/*
 * Workspaces are in a map and not on the stack: of the stack the verifier keeps account byte by
 * byte and path by path, which made it look through ten times as much. Programs nest on a CPU, a
 * softirq's in a system call's, and each takes the one of its depth. The loader makes room for
 * TCPDWELL_WORKSPACES of them for each possible CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPDWELL_WORKSPACES);
	__type(key, __u32);
	__type(value, struct workspace);
} workspaces SEC(".maps");

/* The same where the kernel refuses the other one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCPDWELL_WORKSPACES);
	__type(key, __u32);
	__type(value, struct workspace);
} workspaces_percpu SEC(".maps");

/*
 * This CPU's, by how many of them are in use below it. The barrier keeps the two calls apart, which
 * the compiler would make one, with the name of the map that is not there.
 */
static __always_inline struct workspace *workspace_at(__u32 depth)
{
	struct workspace *space;

	if (!cfg_workspaces) {
		space = bpf_map_lookup_elem(&workspaces_percpu, &depth);
		barrier_var(space);
		return space;
	}
	if (depth >= TCPDWELL_WORKSPACES)
		return NULL;
	depth += bpf_get_smp_processor_id() * TCPDWELL_WORKSPACES;
	return bpf_map_lookup_elem(&workspaces, &depth);
}

/* One transition on its way from the tracepoint to a row. The pointers are into its workspace. */
struct transition {
	struct tcpdwell_counters *c;
	struct sock *sk;
	struct endpoint *e;
	struct row *row;
	struct row *first;
	struct lifecycle *fresh;
	struct tcpdwell_life *life; /* its sum, if that was found beside it */
	__u64 key;
	struct child *child; /* it is this one, NULL: it is none that was seen being born */
	bool fast;	     /* a child that was born by a SYN with data */
	bool known;	     /* something was known of it before */
	bool wanted;	     /* by the filters of connections */
	bool keyed;	     /* it has had its key for a while: something may be known of it */
	bool no_room;	     /* to remember it, which is counted */
};

/*
 * The number, which the verifier knows nothing of any more: else it would follow each way by which
 * the number came about through all that comes after. It does not follow the contents of a map.
 */
static __always_inline __u32 blurred(struct workspace *space, __u32 number)
{
	*(volatile __u32 *)&space->number = number;
	return *(volatile __u32 *)&space->number;
}

/*
 * LISTEN -> SYN_RECV of a full socket: the last ACK of a handshake has cloned a child. It has no
 * remote end and not yet the cookie that will stay, and it may be thrown away again. It counts
 * once its next transition shows that it lives, a few microseconds later on this CPU.
 */
__noinline int child_born(__u64 sk, __u64 now_ns)
{
	__u32 zero = 0;
	struct child *child = cfg_handshake ? bpf_map_lookup_elem(&children, &zero) : NULL;

	if (!child)
		return 0;
	child->sock = sk;
	child->listener = child_listener((const struct sock *)sk);
	child->time_ns = now_ns;
	child->request = 0;
	child->syn_ns = 0;
	young_born(child);
	return 0;
}

/* The child that this CPU saw being born if it is @sk, and then no more. */
static __always_inline struct child *child_take(const struct sock *sk)
{
	__u32 zero = 0;
	struct child *child = cfg_handshake ? bpf_map_lookup_elem(&children, &zero) : NULL;

	if (!child || child->sock != (__u64)sk)
		return NULL;
	child->sock = 0;
	return child;
}

/* What connect() has begun: the port is bound only after the transition (tcp_v4_connect()). */
static __always_inline bool defer(struct transition *t, struct lifecycle *l, const bool atomic)
{
	/* Where nothing is shown as it comes, the next transition is soon enough. */
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

/*
 * Rows of a connection that nobody accepted yet wait for the owner that the filter asks about.
 * Returns whether @t's row was put to them; else those that waited are out, and its turn has come.
 */
static __always_inline bool hold(struct transition *t, struct lifecycle *l, const bool atomic)
{
	const __u32 bit = LIFECYCLE_HELD_CLOSE_WAIT;
	__u32 waits;

	if (t->row->to != TCPDWELL_CLOSE_WAIT) {
		owner_match(l);
		release_held(address_of(t->sk), t->key, connection_take(l, LIFECYCLE_HELD, atomic));
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
	if (waits & LIFECYCLE_HELD)
		return true;
	/* accept() came in between: take the row back, unless it took that too. */
	if (!connection_take(l, bit, atomic))
		return true;
	uncount(&t->c->held);
	return false;
}

/*
 * A child's life begins: the row that led here, and what the tracepoint cannot know. Without a
 * request (SYN cookies, no backend) its SYN_RECV is an artefact of the clone: the dwell is no
 * one's. Nothing in t->first's from says that the row is out already.
 */
static __always_inline void child_birth(struct transition *t, struct lifecycle *l,
					const struct child *child)
{
	listener_inherit(l, (const struct sock *)child->listener, false);
	l->state = TCPDWELL_SYN_RECV;
	if (child->syn_ns) {
		bool shown = request_hand_over(t->c, l, child, t->row->time_ns);

		l->since_ns = child->syn_ns;
		l->since = TCPDWELL_DWELL_EXACT;
		l->marks = LIFECYCLE_OF_REQUEST;
		t->row->source = TCPDWELL_SOURCE_REQUEST_SOCK;
		*t->first = request_birth(child->syn_ns);
		if (shown)
			t->first->from = 0;
	} else {
		l->since_ns = child->time_ns;
		l->since = cfg_kernel_view ? TCPDWELL_DWELL_EXACT : TCPDWELL_DWELL_UNKNOWN;
		*t->first = row_birth(TCPDWELL_LISTEN, TCPDWELL_SYN_RECV, child->time_ns,
				      TCPDWELL_SOURCE_TRACEPOINT);
	}
	if (!cfg_life)
		l->opened_ns = l->since_ns;
	if (l->since == TCPDWELL_DWELL_EXACT)
		l->marks |= LIFECYCLE_OPENED_EXACT;
	if (t->first->from)
		count_seen(t->c);
}

/* The same for one that was born by a SYN with data. */
static __always_inline void fast_child_birth(struct transition *t, struct lifecycle *l)
{
	l->id = cfg_has_cookie ? t->key : identity_new();
	l->object = (__u64)t->sk;
	if (cfg_life)
		l->sock = (__u64)t->sk;
	else
		l->opened_ns = l->since_ns;
	l->marks |= LIFECYCLE_OPENED_EXACT;
	*t->first = row_birth(TCPDWELL_LISTEN, TCPDWELL_SYN_RECV, l->since_ns,
			      TCPDWELL_SOURCE_TRACEPOINT);
	count_seen(t->c);
}

/* Of sock_extended_err (linux/errqueue.h): an ICMP error. */
#define SO_EE_ORIGIN_ICMP  2
#define SO_EE_ORIGIN_ICMP6 3

/*
 * The ICMP error that a process closes a socket in SYN_SENT for, 0: none is known. It does not end
 * the connection if it comes while connect() has the socket, as it does from a firewall of this
 * host or of a container's. Then getsockopt(SO_ERROR) tells of it and takes it out of sk_err_soft;
 * the error queue has it still (tcp_v4_err(), ip_icmp_error()).
 */
static __noinline int sock_icmp_error(const struct sock *sk)
{
	struct sock_extended_err ee = {};
	const struct sk_buff *skb;
	int err = BPF_CORE_READ(sk, sk_err_soft);

	if (err || !bpf_core_type_exists(struct sock_exterr_skb) ||
	    !BPF_CORE_READ(sk, sk_error_queue.qlen))
		return err;
	skb = BPF_CORE_READ(sk, sk_error_queue.next);
	bpf_core_read(&ee, sizeof(ee), &((const struct sock_exterr_skb *)&skb->cb)->ee);
	return ee.ee_origin == SO_EE_ORIGIN_ICMP || ee.ee_origin == SO_EE_ORIGIN_ICMP6 ?
		       ee.ee_errno :
		       0;
}

/* Fill in what the transition says beyond its two states. */
static __always_inline void transition_describe(struct transition *t, const struct lifecycle *l,
						__u32 facts)
{
	struct row *row = t->row;
	int err = t->sk->sk_err;

	row->dwell = lifecycle_dwell(l, row->from, row->time_ns, &row->dwell_ns);
	if (row->to != TCPDWELL_CLOSE)
		return;
	row->reason = lifecycle_reason(row->from, err, facts);
	if (row->reason == TCPDWELL_REASON_ABORTED && row->from == TCPDWELL_SYN_SENT && !err)
		err = sock_icmp_error(t->sk);
	row->err = lifecycle_error(row->reason, err);
}

/* Rows, or the connection that ends with them, are counted as unwanted. */
static __always_inline void count_unwanted(struct tcpdwell_counters *c, __u8 to, __u32 rows)
{
	if (cfg_life)
		rows = to == TCPDWELL_CLOSE;
	__sync_fetch_and_add(&c->seen, rows);
	__sync_fetch_and_add(&c->filtered, rows);
}

/* An unwanted connection leaves no trace but a count; one that waited for its port is let go. */
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
 * connect() or listen() on a socket that lived before: its last connection is a timewait socket by
 * now, or its end was passed over. They have one cookie, and from here on it stands for the new
 * one. The end of the old one is not told.
 */
static __always_inline void last_life_over(const struct transition *t)
{
	if (!connection_find(t->key))
		return;
	count(&gaps);
	connection_forget(t->key);
}

/* What is known of the connection before this transition; t->fresh is for one unknown so far. */
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

/* A function of its own, for programs that tell a transition in steps. */
__noinline int tell_row(struct row *row, struct endpoint *e, struct lifecycle *l)
{
	struct tcpdwell_counters *c = counters_here();

	if (row && e && l && c)
		decide(c, row, e, l);
	return 0;
}

static __always_inline void tell(const struct transition *t, struct row *row, struct lifecycle *l,
				 const bool steps)
{
	if (steps)
		tell_row(row, t->e, l);
	else
		decide(t->c, row, t->e, l);
}

/* Who calls tcp_time_wait(): tcp_fin(), tcp_close() and tcp_rcv_state_process(). */
static __always_inline bool may_become_tw(__u8 from)
{
	return from == TCPDWELL_FIN_WAIT2 || from == TCPDWELL_CLOSING;
}

/* What was summed of the connection so far, NULL: nothing. */
static __always_inline struct tcpdwell_life *transition_life(const struct transition *t)
{
	return t->life ?: life_find(t->key);
}

/*
 * The same for the connection's sum. It is told now if the connection is in TIME_WAIT (@left) and
 * that is not waited for; how an orphan's FIN_WAIT2 ends, nobody knows yet.
 */
static __always_inline void life_of_tw(struct transition *t, struct lifecycle *l, bool left)
{
	if (cfg_time_wait || !left) {
		life_to_tw(t->row, t->sk, t->key, l->object, left);
		return;
	}
	t->row->reason = TCPDWELL_REASON_FIN;
	life_sock_ended(t->row, t->e, l, transition_life(t), t->sk);
}

/* Before 5.12 nobody has looked at what the connection had carried so far. */
static __always_inline void transition_carried(const struct transition *t, struct lifecycle *l,
					       const bool atomic)
{
	if (atomic)
		carried_ends(t->sk, t->e, l, t->key);
	else
		carried_ends_v511(t->sk, t->e, l);
}

/*
 * The full socket closes and a timewait socket stands for the connection: what the tracepoint calls
 * CLOSE is TIME_WAIT, or, for an orphan, no transition at all. Returns whether it was so.
 */
static __always_inline bool transition_to_tw(struct transition *t, struct lifecycle *l,
					     const bool atomic, const bool steps)
{
	struct lifecycle *tw = l;

	if (atomic && cfg_seek_timewait && may_become_tw(t->row->from))
		tw_seek(l, t->sk, t->key);
	if (!(l->marks & LIFECYCLE_TW))
		return false;
	if (!cfg_has_cookie)
		tw = connection_find(l->object);
	if (cfg_stat_ends && t->known)
		transition_carried(t, l, atomic);
	if (tw) {
		tw->cgroup_id = t->e->cgroup_id;
		tw->uid = t->e->uid;
	}
	if (!(l->marks & LIFECYCLE_TW_FIN_WAIT2)) {
		t->row->to = TCPDWELL_TIME_WAIT;
		t->row->source = TCPDWELL_SOURCE_TIMEWAIT_SOCK;
		t->row->dwell = lifecycle_dwell(l, t->row->from, t->row->time_ns,
						&t->row->dwell_ns);
		count_seen(t->c);
		tell(t, t->row, l, steps);
		if (cfg_life)
			life_of_tw(t, l, true);
		if (tw)
			lifecycle_enter(tw, TCPDWELL_TIME_WAIT, t->row->time_ns);
	} else {
		if (cfg_life)
			life_of_tw(t, l, false);
		if (cfg_poll_timewait && !bpf_map_push_elem(&orphans, &t->key, 0))
			wake_reader();
	}
	if (!cfg_has_cookie || tw_is_told(l)) {
		order_mostly(atomic); /* it may be another's place from there on */
		connection_forget(t->key);
	}
	return true;
}

/* Segments with data so far, as LIFECYCLE_COUNT has it. */
static __always_inline __u32 data_segments(const struct sock *sk)
{
	return PEEK(tcp_sock, sk, data_segs_in) * LIFECYCLE_COUNT;
}

/* The process lets go of @sk. */
static __always_inline void data_count(const struct sock *sk, struct lifecycle *l)
{
	__u32 before = l->waits & LIFECYCLE_COUNTED;

	__sync_fetch_and_add(&l->waits, data_segments(sk) - before);
	l->marks |= LIFECYCLE_DATA_COUNTED;
}

static __always_inline bool data_came(const struct sock *sk, const struct lifecycle *l)
{
	return l->marks & LIFECYCLE_DATA_COUNTED && sk->sk_shutdown & RCV_SHUTDOWN &&
	       data_segments(sk) != (l->waits & LIFECYCLE_COUNTED);
}

/* An orphan in FIN_WAIT2 is timed for a second or 3.5 retransmission timeouts (tcp_fin_time()). */
#define FIN_TIME_NS 500000000ULL

/*
 * LIFECYCLE_LINGERED if FIN_WAIT2, where that is what is left, is over by that timer. Where there
 * is no room for a timewait socket it is over at once, or in close(), which has the socket.
 */
static __always_inline __u32 sock_lingered(const struct sock *sk, const struct row *row,
					   const struct lifecycle *l)
{
	bool lingered = row->time_ns - l->since_ns >= FIN_TIME_NS;

	return (lingered & !is_of_task(sk)) * LIFECYCLE_LINGERED;
}

/*
 * What ran out where the socket says ETIMEDOUT: tcp_write_err() has emptied its queues by then, but
 * the sequence numbers tell what was in them. With TCP_USER_TIMEOUT that alone decides, but on the
 * handshake (tcp_write_timeout(), tcp_probe_timer(), tcp_keepalive_timer()).
 */
static __always_inline __u32 timeout_facts(const struct sock *sk, __u64 now_ns)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	__u64 limit_ns = BPF_CORE_READ(icsk, icsk_user_timeout) * 1000000ULL, past_ns;
	__u32 stamp, unit_ns = 1000000;

	if (!sock_is_unacked(sk)) {
		if (!BPF_CORE_READ(icsk, icsk_probes_out))
			return 0;
		return limit_ns ? LIFECYCLE_USER_TIMEOUT : LIFECYCLE_KEEPALIVE;
	}
	if (!limit_ns)
		return 0;
	if (BPF_CORE_READ(tp, snd_una) == BPF_CORE_READ(tp, snd_nxt)) { /* window probes */
		if (!bpf_core_field_exists(icsk->icsk_probes_tstamp))
			return LIFECYCLE_USER_TIMEOUT;
		stamp = BPF_CORE_READ(icsk, icsk_probes_tstamp);
		past_ns = ((__u32)bpf_jiffies64() - stamp) * cfg_tick_ns;
	} else {
		/* Milliseconds, or microseconds where the route asks for such time stamps (6.7). */
		if (bpf_core_field_exists(tp->tcp_usec_ts) &&
		    BPF_CORE_READ_BITFIELD_PROBED(tp, tcp_usec_ts))
			unit_ns = 1000;
		stamp = BPF_CORE_READ(tp, retrans_stamp);
		past_ns = (__u64)((__u32)(now_ns / unit_ns) - stamp) * unit_ns;
	}
	return stamp && past_ns + cfg_tick_ns >= limit_ns ? LIFECYCLE_USER_TIMEOUT : 0;
}

/*
 * What else decides on the reason of an end that is not the common one. A function of its own, for
 * the stack of its caller, and a static one, which takes the socket as it is.
 */
static __noinline __u32 cut_off_facts(const struct sock *sk, __u64 now_ns)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u32 facts = 0;

	if (PEEK(sock, sk, sk_err) == LIFECYCLE_ETIMEDOUT)
		return timeout_facts(sk, now_ns);
	if (BPF_CORE_READ_BITFIELD_PROBED(tp, repair))
		facts |= LIFECYCLE_REPAIR;
	if (PEEK(sock, sk, __sk_common.skc_flags) & (1UL << SOCK_DEAD) && !sock_is_subflow(sk)) {
		facts |= LIFECYCLE_ORPHAN;
		if (netns_is_gone(&sk->__sk_common))
			facts |= LIFECYCLE_NETNS_GONE;
	}
	return facts;
}

/* Whether those are asked for. */
static __always_inline bool wants_cut_off_facts(const struct sock *sk, __u8 from, __u32 facts)
{
	return sk->sk_err ? sk->sk_err == LIFECYCLE_ETIMEDOUT : lifecycle_is_cut_off(from, facts);
}

/* @sk enters @state. */
static __always_inline void sock_enters(struct lifecycle *l, const struct sock *sk, __u8 state,
					__u64 now_ns)
{
	lifecycle_enter(l, state, now_ns);
	if (state == TCPDWELL_FIN_WAIT1)
		data_count(sk, l);
	if (!lifecycle_has_fd(l))
		l->uid = sk->sk_uid.val;
}

/* Keep what is known for the next transition. Returns whether it is. */
static __always_inline bool transition_remember(struct transition *t, struct lifecycle *l,
						const bool atomic)
{
	bool born;

	if (t->row->to == TCPDWELL_CLOSE) {
		if (t->known) {
			order_mostly(atomic); /* its place is another's from here on */
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
	/* there was no room when it was met, and that was counted */
	return !table_insert(t->key, l, BPF_NOEXIST, false);
}

/* Sums of lives: whether @row is one of a connection that leaves a state. Listeners are none. */
static __always_inline bool leaves_state(const struct row *row)
{
	return row->from != TCPDWELL_CLOSE && row->from != TCPDWELL_LISTEN;
}

/*
 * The rows of a child that wait for accept(): its first two, or the second if the other one is out
 * already, in the map or lost with the room for them. They were counted as seen.
 */
static __always_inline void hold_child(struct transition *t, struct lifecycle *l, const bool atomic)
{
	__u32 rows = t->first->from ? 2 : 1;

	l->established_ns = t->row->time_ns;
	l->waits |= LIFECYCLE_HELD_ESTABLISHED;
	if (t->first->from)
		l->waits |= LIFECYCLE_HELD_SYN_RECV;
	lifecycle_enter(l, t->row->to, t->row->time_ns);
	if (connection_remember(t->c, t->key, l, BPF_ANY, atomic))
		__sync_fetch_and_add(&t->c->lost_map, rows);
	else
		__sync_fetch_and_add(&t->c->held, rows);
}

/*
 * close() after shutdown() sets the state that the socket has (tcp_close_state()): no transition,
 * but whoever closes is the owner.
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
 * What is no row: close() of what is shut down, a child that is cloned, and one that is thrown away
 * by the call that cloned it, for then no connection came of it. Else notes whether it is a child.
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
 * Whether the connection is a child that this CPU saw being born. Its request may have given it a
 * cookie, if others ask for those, but only a snapshot can have come by since then.
 */
static __always_inline bool is_newborn(const struct transition *t)
{
	return t->child && cfg_has_cookie && !shared.scanning;
}

/* Where one record tells all, at the end, no filter may want them before; but the user is noted. */
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
	/* Listeners are few, and the owners of their children: remembered, wanted or not. */
	if (t->wanted || from == TCPDWELL_LISTEN || to == TCPDWELL_LISTEN)
		return true;
	transition_unwanted(t, t->child || t->fast, atomic);
	return false;
}

/* What is known of the connection, and of who holds it, before this transition. */
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
	/* A row that waits yet is of who connected. */
	if (t->known && !(l->waits & LIFECYCLE_DEFERRED))
		holder_ask(l, t->sk, t->key, from, to);
	return l;
}

/* What decides on the reason of the end, and on who acted. */
static __always_inline __u32 transition_facts(const struct transition *t, struct workspace *space,
					      const struct lifecycle *l, __u8 from, __u8 to)
{
	__u32 facts = 0;

	if (to == TCPDWELL_CLOSE)
		facts = sock_facts(t->sk, t->e, from) | sock_lingered(t->sk, t->row, l);
	if (cfg_timewait && t->known)
		facts |= LIFECYCLE_NO_TW;
	if (to == TCPDWELL_CLOSE && data_came(t->sk, l))
		facts |= LIFECYCLE_DATA_CAME;
	facts = blurred(space, facts);
	if (to == TCPDWELL_CLOSE && wants_cut_off_facts(t->sk, from, facts))
		facts |= cut_off_facts(t->sk, t->row->time_ns);
	return facts;
}

/* The row of connect() waited for its port until now, and goes first. */
static __always_inline void transition_ends_wait(struct transition *t, struct lifecycle *l,
						 const bool atomic)
{
	if (!deferred_over(l, t->key, atomic))
		return;
	*t->first = deferred_row(l);
	uncount(&t->c->held);
}

/* Notes who caused a transition, if a process did, and where it has the socket. */
static __always_inline void sock_is_acted_on(struct lifecycle *l, const struct sock *sk, __u8 from,
					     __u8 to, __u32 facts, const bool atomic)
{
	__u8 actor = lifecycle_actor(from, to, sk->sk_err, facts);

	/* A shutdown() in SYN_RECV is done when the handshake is, in a softirq (since 6.10). */
	if (!actor || (to == TCPDWELL_FIN_WAIT1 && !is_of_task(sk)))
		return;
	owner_set_current(l, actor, atomic);
	if (to != TCPDWELL_CLOSE && l->pid == bpf_get_current_pid_tgid() >> 32)
		holder_here(l, sk);
}

/* Lets the first row go with the owner of before, then notes who acted. */
static __always_inline void transition_own(struct transition *t, struct lifecycle *l, __u8 from,
					   __u8 to, __u32 facts, const bool atomic,
					   const bool steps)
{
	owner_match(l);
	if (t->first->from)
		tell(t, t->first, l, steps);
	if (t->first->from == TCPDWELL_CLOSE) /* it had waited */
		holder_ask(l, t->sk, t->key, from, to);
	sock_is_acted_on(l, t->sk, from, to, facts, atomic);
	if (to == TCPDWELL_LISTEN)
		listener_begins(address_of(t->sk), t->key);
	if (from == TCPDWELL_LISTEN)
		listener_ends(address_of(t->sk));
	if (from == TCPDWELL_LISTEN && cfg_requests && config_sends_rows())
		requests_outlive(l, t->sk, t->key);
}

/* connect() has begun. Returns whether the row waits for its port, or is lost for want of room. */
static __always_inline bool transition_waits(struct transition *t, struct lifecycle *l,
					     const bool atomic)
{
	if (cfg_life)
		return false;
	if (t->e->lport) {
		l->waits |= LIFECYCLE_BOUND; /* it is new, and nobody else's yet */
		return false;
	}
	if (defer(t, l, atomic))
		return true;
	if (!config_filters_local_port())
		return false;
	count(&t->c->lost_map); /* no room to wait for the port that is asked for */
	return true;
}

/* The row goes where it is wanted, and what is known is kept for the next one. */
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

/* Whether the rows of a child that nobody accepted yet wait for that. */
static __always_inline bool transition_holds_child(struct transition *t, struct lifecycle *l,
						   __u8 to, const bool atomic)
{
	if (!config_waits_for_accept() || t->first->to != TCPDWELL_SYN_RECV ||
	    to != TCPDWELL_ESTABLISHED)
		return false;
	hold_child(t, l, atomic);
	return true;
}

/* The row waits, or it goes where it is wanted. */
static __always_inline void transition_end(struct transition *t, struct lifecycle *l, __u8 from,
					   __u8 to, const bool atomic, const bool steps)
{
	if (to == TCPDWELL_SYN_SENT && transition_waits(t, l, atomic))
		return;
	if (config_waits_for_accept() && l->waits & LIFECYCLE_HELD && hold(t, l, atomic))
		return;
	transition_settle(t, l, from, to, atomic, steps);
}

/*
 * ---- In steps -----------------------------------------------------------------------------------
 *
 * What comes once it is known what was known of the connection. In one piece the verifier goes
 * through all of it for each way that led there, and for each map that @l may be in. So where
 * programs may make typed pointers (6.2) it is done in functions of their own, each of which it
 * goes through once, whatever its callers know. The workspace has what they share.
 */

/* To be called where cfg_has_cast is known to be true. */
static __always_inline struct transition transition_resume(struct workspace *space)
{
	return (struct transition){
		.c = counters_here(),
		.sk = CAST(sock, (const void *)space->sk),
		.e = &space->e,
		.row = &space->row,
		.first = &space->first,
		.fresh = &space->fresh,
		.key = space->key,
		.known = space->known,
		.wanted = space->wanted,
		.keyed = space->keyed,
	};
}

static __always_inline void transition_suspend(struct workspace *space, const struct transition *t)
{
	space->sk = (__u64)t->sk;
	space->key = t->key;
	space->known = t->known;
	space->wanted = t->wanted;
	space->keyed = t->keyed;
}

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
		return; /* it was told of, or begins after the end */
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
 * Whether ports alone decide that a row is unwanted and nothing is to be remembered of it. A socket
 * has both its ports, and is no one's child or listener, in the states between the handshake and
 * CLOSE; on its way there it has had them.
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
 * Where lives are summed a connection that goes on has no row, and who is in its place is wanted:
 * from one of the open states to the next there is only the sum to be added to, and who acted to be
 * noted. The same goes for the end of a client's handshake, unless the local port decides then
 * whether it is wanted. Returns false for what is more than that. It is a function of its own, as
 * that takes less of the stack.
 */
static __noinline bool life_moves_on(struct sock *sk, __u8 from, __u8 to)
{
	__u32 left = STATES_OPEN | !config_filters_local_port() << TCPDWELL_SYN_SENT;
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
	life_leave(&((struct place *)l)->life, stay, dwell_ns, now_ns);
	return true;
}

static __always_inline void transition(struct sock *sk, __u8 from, __u8 to, const bool atomic,
				       const bool steps)
{
	struct workspace *bottom = workspace_at(0), *space;

	if (!bottom)
		return;
	if (!shared.live) {
		/* Its request may end a moment later, and then it should not seem dropped. */
		if (from == TCPDWELL_LISTEN && to == TCPDWELL_SYN_RECV)
			child_born(address_of(sk), bpf_ktime_get_ns());
		return;
	}
	if (cfg_life && atomic && life_moves_on(sk, from, to))
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
