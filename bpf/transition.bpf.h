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

/* The memory of one transition until its row is out. */
struct workspace {
	struct endpoint e;
	struct row row;
	struct row first;	/* the row to tell before it, if its from is not 0 */
	struct lifecycle fresh; /* for a connection that was not known */
	/* This and the next ones: members of struct transition between two steps. */
	__u64 sk;
	__u64 key;
	bool known;
	bool wanted;
	bool keyed;
	__u32 number; /* see blurred() */
	__u32 depth;  /* in a CPU's first workspace: how many of them are in use */
};

/*
 * Workspaces are in a map and not on the stack. The verifier keeps track of the stack byte by byte
 * and path by path, which made it look through ten times as much. Programs nest on a CPU (a
 * softirq's in a system call's), and each one takes the workspace of its depth. The loader makes
 * room for TCPDWELL_WORKSPACES of them for each possible CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TCPDWELL_WORKSPACES);
	__type(key, __u32);
	__type(value, struct workspace);
} workspaces SEC(".maps");

/* Used instead where the kernel refuses the former. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TCPDWELL_WORKSPACES);
	__type(key, __u32);
	__type(value, struct workspace);
} workspaces_percpu SEC(".maps");

/*
 * Returns the workspace of this CPU at @depth, which is the number of those in use below it. The
 * barrier keeps the two calls of bpf_map_lookup_elem() apart. Otherwise the compiler would merge
 * them into one, which could name the map that does not exist.
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

/* One transition on its way from the tracepoint to a row. The pointers lead into its workspace. */
struct transition {
	struct tcpdwell_counters *c;
	struct sock *sk;
	struct endpoint *e;
	struct row *row;
	struct row *first;
	struct lifecycle *fresh;
	struct tcpdwell_life *life; /* the connection's sum, if that was found beside it */
	__u64 key;
	struct child *child; /* the socket as a child that this CPU saw being born, or NULL */
	bool fast;	     /* it is a child that a SYN with data made */
	bool known;	     /* something was known of the connection before */
	bool wanted;	     /* the filters of connections want it */
	/* The socket has had its key for a while, so something may be known of it. */
	bool keyed;
	bool no_room; /* no room to remember the connection, which was counted */
};

/*
 * Returns @number, of which the verifier loses track here. Otherwise it would follow each path by
 * which the number came about through everything that comes after. The number passes through the
 * workspace, which is in a map, and the verifier does not track what is in a map.
 */
static __always_inline __u32 blurred(struct workspace *space, __u32 number)
{
	*(volatile __u32 *)&space->number = number;
	return *(volatile __u32 *)&space->number;
}

/*
 * LISTEN -> SYN_RECV of a full socket: the last ACK of a handshake has cloned a child. It has no
 * remote end yet and not yet the cookie that it will keep, and it may be thrown away again. It
 * counts only when its next transition, a few microseconds later on this CPU, shows that it lives.
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

/* Returns the child that this CPU saw being born, if it is @sk, and forgets it; else NULL. */
static __always_inline struct child *child_take(const struct sock *sk)
{
	__u32 zero = 0;
	struct child *child = cfg_handshake ? bpf_map_lookup_elem(&children, &zero) : NULL;

	if (!child || child->sock != (__u64)sk)
		return NULL;
	child->sock = 0;
	return child;
}

/*
 * connect() has begun, and binds the port only after the transition (tcp_v4_connect()). Returns
 * whether the row now waits for the port.
 */
static __always_inline bool defer(struct transition *t, struct lifecycle *l, const bool atomic)
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

/*
 * Rows of a connection that nobody has accepted yet wait for the owner, which the filter asks
 * about. Returns whether @t's row was added to those that wait. Otherwise they have been released,
 * and the caller goes on with @t's row.
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
	/* accept() came in between. Take the row back, unless accept() took it too. */
	if (!connection_take(l, bit, atomic))
		return true;
	uncount(&t->c->held);
	return false;
}

/*
 * A child's life begins. Sets @t->first to the row that led here, and @l to what the tracepoint
 * cannot know. Without a request (SYN cookies, no backend) the child's SYN_RECV is an artefact of
 * the clone, and its dwell is unknown. If the row is out already, t->first->from becomes 0.
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

/* The same for a child that a SYN with data made. */
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

/* Values of sock_extended_err.ee_origin (linux/errqueue.h): the error came by ICMP. */
#define SO_EE_ORIGIN_ICMP  2
#define SO_EE_ORIGIN_ICMP6 3

/*
 * Returns the ICMP error for which a process closes a socket in SYN_SENT; 0 if none is known. The
 * error does not end the connection if it comes while connect() has the socket locked. This happens
 * if it comes from a firewall of this host or of a container's. Then getsockopt(SO_ERROR) returns
 * it and takes it out of sk_err_soft, but the error queue still has it (tcp_v4_err(),
 * ip_icmp_error()).
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

/* Fills in what the transition says beyond its two states. */
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

/* A global function, for programs that tell a transition in steps. */
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

/*
 * Returns whether tcp_time_wait() can be called in this state. Its callers are tcp_fin(),
 * tcp_close() and tcp_rcv_state_process().
 */
static __always_inline bool may_become_tw(__u8 from)
{
	return from == TCPDWELL_FIN_WAIT2 || from == TCPDWELL_CLOSING;
}

/* Returns what was summed of the connection so far; NULL if nothing was. */
static __always_inline struct tcpdwell_life *transition_life(const struct transition *t)
{
	return t->life ?: life_find(t->key);
}

/*
 * Does the same for the connection's sum as transition_to_tw() does for its rows. The record is
 * written now if the connection is in TIME_WAIT (@left) and the command does not wait for the end
 * of that. Otherwise the sum goes on with the timewait socket. So it does for an orphan, because
 * nobody knows yet how its FIN_WAIT2 ends.
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

/* Sums what the connection carried. Before 5.12 nothing was summed while it was open. */
static __always_inline void transition_carried(const struct transition *t, struct lifecycle *l,
					       const bool atomic)
{
	if (atomic)
		carried_ends(t->sk, t->e, l, t->key);
	else
		carried_ends_v511(t->sk, t->e, l);
}

/*
 * The full socket closes. If a timewait socket stands for the connection, the tracepoint's CLOSE is
 * really TIME_WAIT, or, for an orphan, no transition at all. Returns whether a timewait socket
 * does, and tells the row if there is one.
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
		order_mostly(atomic); /* the place may be another's from then on */
		connection_forget(t->key);
	}
	return true;
}

/*
 * Returns the number of segments with data that have come so far, scaled as LIFECYCLE_COUNT says.
 */
static __always_inline __u32 data_segments(const struct sock *sk)
{
	return PEEK(tcp_sock, sk, data_segs_in) * LIFECYCLE_COUNT;
}

/* The process lets go of @sk: notes how many segments with data have come. */
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

/*
 * The shortest time after which the timer of an orphan in FIN_WAIT2 ends it. The kernel sets a
 * second or 3.5 retransmission timeouts (tcp_fin_time()).
 */
#define FIN_TIME_NS 500000000ULL

/*
 * Returns LIFECYCLE_LINGERED if the state that is left, FIN_WAIT2, was ended by that timer; else 0.
 * If there is no room for a timewait socket, FIN_WAIT2 ends at once, or in close(), which has the
 * socket.
 */
static __always_inline __u32 sock_lingered(const struct sock *sk, const struct row *row,
					   const struct lifecycle *l)
{
	bool lingered = row->time_ns - l->since_ns >= FIN_TIME_NS;

	return (lingered & !is_of_task(sk)) * LIFECYCLE_LINGERED;
}

/*
 * Returns which limit has run out if the socket holds ETIMEDOUT: LIFECYCLE_USER_TIMEOUT,
 * LIFECYCLE_KEEPALIVE, or 0 for the number of retransmissions. tcp_write_err() has emptied the
 * socket's queues, but the sequence numbers tell what was in them. If TCP_USER_TIMEOUT is set, it
 * alone decides, except during the handshake (tcp_write_timeout(), tcp_probe_timer(),
 * tcp_keepalive_timer()).
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
	/* Only window probes are out. */
	if (BPF_CORE_READ(tp, snd_una) == BPF_CORE_READ(tp, snd_nxt)) {
		if (!bpf_core_field_exists(icsk->icsk_probes_tstamp))
			return LIFECYCLE_USER_TIMEOUT;
		stamp = BPF_CORE_READ(icsk, icsk_probes_tstamp);
		past_ns = ((__u32)bpf_jiffies64() - stamp) * cfg_tick_ns;
	} else {
		/*
		 * The stamp is in milliseconds, or in microseconds if the route asks for such time
		 * stamps (6.7).
		 */
		if (bpf_core_field_exists(tp->tcp_usec_ts) &&
		    BPF_CORE_READ_BITFIELD_PROBED(tp, tcp_usec_ts))
			unit_ns = 1000;
		stamp = BPF_CORE_READ(tp, retrans_stamp);
		past_ns = (__u64)((__u32)(now_ns / unit_ns) - stamp) * unit_ns;
	}
	return stamp && past_ns + cfg_tick_ns >= limit_ns ? LIFECYCLE_USER_TIMEOUT : 0;
}

/*
 * Returns the other facts that decide on the reason of an end, if it is not the common one. It is
 * not inlined, to spare its caller's stack. It is static, so that it takes the socket as a typed
 * pointer.
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

/* Returns whether cut_off_facts() is to be asked. */
static __always_inline bool wants_cut_off_facts(const struct sock *sk, __u8 from, __u32 facts)
{
	return sk->sk_err ? sk->sk_err == LIFECYCLE_ETIMEDOUT : lifecycle_is_cut_off(from, facts);
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
			order_mostly(atomic); /* the place is another's from here on */
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
 * Makes the rows of a child wait for accept(). They are its first two, or only the second if the
 * first one is out already. They were counted as seen; if there is no room to remember the child,
 * they are lost.
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

/* Returns the facts that decide on the reason of the end and on who acted (enum lifecycle_fact). */
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

/* If the row of connect() has waited for its port until now, makes it the first row to tell. */
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
	if (from == TCPDWELL_LISTEN && cfg_requests && config_sends_rows())
		requests_outlive(l, t->sk, t->key);
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
	if (defer(t, l, atomic))
		return true;
	if (!config_filters_local_port())
		return false;
	/* There is no room to wait for the port, which the filter asks for. */
	count(&t->c->lost_map);
	return true;
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

/* Makes the row wait, or tells it if it is wanted. */
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
 * This is what follows transition_meet(). In one piece, the verifier goes through all of it for
 * each path that leads here, and for each map that @l may be in. Where programs may make typed
 * pointers (6.2), it is therefore split into global functions. The verifier goes through each of
 * these once, whatever its callers know. The workspace holds what they share.
 */

/* May be called only where cfg_has_cast is known to be true. */
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
 * The short way of a transition where lives are summed. A connection that goes on has no row then,
 * and one that is in its place is wanted. So a move from one open state to another only adds to the
 * sum and notes who acted. The same holds for the end of a client's handshake, unless the local
 * port decides at that moment whether it is wanted. Returns false if there is more to do than that.
 * It is not inlined, because that takes less of the stack.
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
		/* The child's request may end a moment later, and must not seem dropped then. */
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
