/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that were there before the tracer. Two iterators put them into the map of connections.
 *
 * The first goes through all descriptors of all processes. A process that holds a socket owns it,
 * in whatever network namespace it is. The second goes through the hash tables of one namespace and
 * adds what has no descriptor: timewait sockets, requests, orphans, and connections in an accept
 * queue.
 *
 * The tracepoint is attached before that, so a socket may change its state while it is looked at.
 * What a transition has put into the map stays. What an iterator puts there only says that the
 * socket was in this state at this time. lifecycle_dwell() believes it only if the next transition
 * leaves that state.
 */
#ifndef TCPDWELL_SNAPSHOT_BPF_H
#define TCPDWELL_SNAPSHOT_BPF_H

#include "accept_queue.bpf.h"
#include "carried.bpf.h"
#include "cookies.bpf.h"
#include "detail.bpf.h"
#include "found.bpf.h"
#include "indirect.bpf.h"
#include "process.bpf.h"
#include "request.bpf.h"
#include "young.bpf.h"

/* What the snapshot found by descriptor, by the inode of the network namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCPDWELL_NAMESPACES);
	__type(key, __u32);
	__type(value, struct tcpdwell_namespace);
} namespaces SEC(".maps");

/* What a bpf_iter program returns to go on. */
#define ITER_NEXT 0

/*
 * Whether a walk has told of the timewait sockets of the namespace that an iterator goes through.
 */
__u32 timewait_walked;

/*
 * ---- Descriptors --------------------------------------------------------------------------------
 */

/*
 * The number of a process fits 22 bits (PID_MAX_LIMIT). The highest bit is set in addresses only,
 * so it stays 0.
 */
#define HOLDER_ROUNDS	   512
#define HOLDER_ROUND_SHIFT 54
#define HOLDER_PID_SHIFT   32

/* Returns this run and process as lifecycle.holder keeps them. */
static __always_inline __u64 holder_mark(__u32 pid)
{
	return (__u64)(snapshot_round % HOLDER_ROUNDS) << HOLDER_ROUND_SHIFT |
	       (__u64)pid << HOLDER_PID_SHIFT;
}

/*
 * Makes the holder the owner, or counts it as one more. All descriptors of a process come one after
 * another. Returns whether it is the socket's first holder in this run.
 */
static __always_inline bool holder_add(struct lifecycle *l)
{
	const struct holder *holder = &found.holder;
	const struct task_struct *leader = holder->leader;
	__u64 mark = holder_mark(holder->pid);

	if (l->waits & LIFECYCLE_WAITING || l->marks & LIFECYCLE_TW)
		return false; /* its state is changing, and another program knows more */
	if (l->owner != TCPDWELL_OWNER_NONE && l->owner != TCPDWELL_OWNER_SCAN)
		return false;
	if (l->owner == TCPDWELL_OWNER_SCAN &&
	    l->holder >> HOLDER_ROUND_SHIFT == mark >> HOLDER_ROUND_SHIFT) {
		if (l->holder >> HOLDER_PID_SHIFT != mark >> HOLDER_PID_SHIFT && l->holders < 255)
			l->holders++;
		l->holder = mark;
		return false;
	}
	owner_leave(l, false);
	bpf_core_read(l->comm, OWNER_COMM_LEN, &leader->comm);
	l->holders = 1;
	if (cfg_life && lifecycle_has_task(l, true))
		l->sock = l->object;
	l->holder = mark;
	holder_note(l, holder->table, holder->fd);
	cgroup_match_task(l, (__u64)holder->leader);
	owner_come(l, holder->pid, TCPDWELL_OWNER_SCAN, false);
	owner_match(l);
	return true;
}

/* Returns what this run found in a network namespace; NULL: there is no room for another one. */
static __always_inline struct tcpdwell_namespace *namespace_here(__u32 netns)
{
	struct tcpdwell_namespace none = {}, *n;

	n = bpf_map_lookup_elem(&namespaces, &netns);
	if (!n) {
		bpf_map_update_elem(&namespaces, &netns, &none, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&namespaces, &netns);
	}
	if (!n)
		return NULL;
	if (n->round != snapshot_round) {
		n->round = snapshot_round;
		n->sockets = 0;
		n->requests = 0;
		n->timewait = 0;
	}
	return n;
}

/*
 * Counts a socket that was there before the tracer, once, and the requests of a listener. If
 * everything that a namespace has is counted, its hash tables need not be gone through. To miss a
 * socket only costs that pass. Sockets whose state changed meanwhile, or that found no room here,
 * are not counted.
 */
static __always_inline void found_count(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	struct tcpdwell_namespace *n = namespace_here(found.e.netns);

	if (!n)
		return;
	n->sockets++;
	if (found.state == TCPDWELL_LISTEN)
		n->requests += BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);
}

/*
 * Returns whether a socket is a child before its first transition, which is going to tell all of
 * it. The child is in the middle of its handshake's last ACK, or a SYN with data made it since the
 * tracer is here.
 */
static __always_inline bool is_being_born(const struct sock *sk, __u8 state)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	if (state != TCPDWELL_SYN_RECV)
		return false;
	return young_find(address_of(sk)) ||
	       (!BPF_CORE_READ(sk, sk_socket) && !BPF_CORE_READ(tp, fastopen_rsk));
}

/*
 * Returns the entry of a full socket, new or not; NULL if the socket is not to be remembered. If
 * the socket closed in the meantime, its last transition has gone by, and the entry is removed
 * again.
 */
static __always_inline struct lifecycle *snapshot_full(const struct sock *sk,
						       const struct lifecycle *listener)
{
	struct lifecycle *known = connection_find(found.key), l;
	struct tcpdwell_counters *c = counters_here();

	if (known)
		return known;
	if (!c || is_being_born(sk, found.state))
		return NULL;
	l = connection_new(sk, found.key, found.e.uid);
	l.state = found.state;
	l.since_ns = found_since_ns();
	l.since = TCPDWELL_DWELL_AT_LEAST;
	l.waits = (found.bound ? LIFECYCLE_BOUND : 0) | LIFECYCLE_OLD;
	if (l.state == TCPDWELL_LISTEN)
		l.task = 0;
	if (listener)
		owner_inherit(&l, listener);
	cgroup_match(&l, sk);
	owner_match(&l);
	if (connection_remember(c, found.key, &l, BPF_NOEXIST, false) == 0 &&
	    BPF_CORE_READ(sk, __sk_common.skc_state) == TCPDWELL_CLOSE)
		connection_forget(found.key);
	return connection_find(found.key);
}

/*
 * Returns the state that the process sees. In MPTCP the peer ends its data by a DATA_FIN. Then the
 * socket that the process has is in CLOSE_WAIT, while the TCP socket goes on in ESTABLISHED.
 */
static __noinline __u32 state_shown(__u64 address, __u32 state)
{
	const struct sock *sk = (const struct sock *)address, *whole;

	if (state != TCPDWELL_ESTABLISHED)
		return state;
	whole = sock_of_process(sk);
	if (whole == sk || BPF_CORE_READ(whole, __sk_common.skc_state) != TCPDWELL_CLOSE_WAIT)
		return state;
	return TCPDWELL_CLOSE_WAIT;
}

/*
 * Returns whether and for whom the full socket has a struct socket. Those of MPTCP's subflows are
 * the kernel's, but a process has the socket of MPTCP.
 */
static __always_inline __u8 found_flags(const struct sock *sk)
{
	if (!BPF_CORE_READ(sk, sk_socket))
		return 0;
	if (!BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock) || sock_is_subflow(sk))
		return TCPDWELL_SOCKET_HELD;
	return TCPDWELL_SOCKET_HELD | TCPDWELL_SOCKET_KERNEL;
}

/*
 * Gathers facts about the full socket at @address. Returns whether its connection is wanted. A
 * listener is remembered in any case, because its children inherit its owner.
 */
__noinline int found_full(__u64 address)
{
	const struct sock *sk = (const struct sock *)address;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	bool wanted;

	found.state = BPF_CORE_READ(sk, __sk_common.skc_state);
	found.flags = found_flags(sk);
	found.bound = bucket_is_bound((__u64)BPF_CORE_READ(icsk, icsk_bind_hash));
	found.v6only = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
	found.shown = state_shown(address, found.state);
	bounds_read(address, found.now_ns, found.shown);
	found.times.state.latest_ns = snapshot_times.state[0];
	found.times.state.earliest_ns = snapshot_times.state[1];
	found.times.active.latest_ns = snapshot_times.active[0];
	found.times.active.earliest_ns = snapshot_times.active[1];
	if (cfg_details)
		detail_read(address, found.now_ns, found.state);
	endpoint_read(&found.e, sk, false);
	if (found.state == TCPDWELL_CLOSE && !found.e.lport)
		endpoint_set_last_port(&found.e, sk);
	wanted = filter_connection(sk, &found.e, false);
	if (wanted && found.state == TCPDWELL_LISTEN)
		listener_begins(address, found.key);
	return wanted;
}

/* Remembers the socket with its holder. */
__noinline int found_keep_held(__u64 address)
{
	const struct sock *sk = (const struct sock *)address;
	struct lifecycle *l = snapshot_full(sk, NULL);

	if (!l)
		return 0;
	found.known = found.key;
	if (holder_add(l) && l->since == TCPDWELL_DWELL_AT_LEAST)
		found_count(sk);
	return 0;
}

/* Sums what the connection has carried so far. */
__noinline int found_carried(__u64 address)
{
	struct lifecycle *l = connection_find(found.known);

	if (l && cfg_carried)
		carried_found((const struct sock *)address, &found.e, l, found.key);
	return 0;
}

static __always_inline bool found_carries(bool wanted)
{
	return cfg_carried && wanted && found.known && found.state != TCPDWELL_LISTEN;
}

static __always_inline void snapshot_descriptor(struct seq_file *seq, struct task_struct *task,
						__u32 fd, const struct sock *sk, __u64 key,
						const bool atomic)
{
	__u64 address = address_of(sk);
	bool wanted;

	found_begin(key);
	found.holder = holder_of(task, fd);
	found.held = true;
	wanted = found_full(address);
	if (found.state != TCPDWELL_CLOSE && (wanted || found.state == TCPDWELL_LISTEN))
		found_keep_held(address);
	if (atomic && found_carries(wanted))
		found_carried(address);
	if (wanted)
		found_write(seq, address);
}

/*
 * ---- Hash tables --------------------------------------------------------------------------------
 */

/*
 * Adds a process as holder: a descriptor of MPTCP leads it to the socket, or it alone has the
 * socket in another way.
 */
__noinline int found_add_holder(void)
{
	struct lifecycle *l = connection_find(found.known);

	if (l)
		holder_add(l);
	return 0;
}

/*
 * Tells of each process that has a socket in another way than by a descriptor that leads to it, as
 * snapshot_descriptor() does for descriptors. If others have descriptors of the socket, a process
 * that has it as a fixed file, or may receive it from a queue, is not made an owner.
 */
static __always_inline void snapshot_indirect(struct seq_file *seq, __u64 address,
					      const struct subflow_holders *holders, bool wanted)
{
	bool alone = !holders->slots[0] || indirect_alone(address, address);

	for (__u32 i = 0; i < SUBFLOW_HOLDERS && i < holders->count; i++) {
		bool held;

		found.holder.leader = (const struct task_struct *)holders->leaders[i];
		found.holder.table = holders->tables[i];
		found.holder.pid = holders->pids[i];
		found.holder.fd = holders->fds[i];
		found.holder.way = holders->ways[i];
		held = found.holder.way != TCPDWELL_SOCKET_IN_FLIGHT;
		found.held = held || alone;
		if (found.known && held && alone)
			found_add_holder();
		if (wanted)
			found_write(seq, address);
	}
}

/*
 * Returns whether nothing is left to be found out about the socket. That is so for most, as a
 * descriptor led to them.
 */
__noinline int found_before(__u64 address, __u64 key)
{
	const struct sock *sk = (const struct sock *)address;

	return !cfg_snapshot_records && BPF_CORE_READ(sk, sk_socket) &&
	       BPF_CORE_READ(sk, __sk_common.skc_state) != TCPDWELL_LISTEN && connection_find(key);
}

/*
 * Remembers a socket to which no descriptor has led; its owner is that of the listener that it came
 * from.
 */
__noinline int found_keep(__u64 address, __u32 wanted)
{
	const struct sock *sk = (const struct sock *)address;
	struct lifecycle *listener = NULL;

	if (found.state == TCPDWELL_LISTEN) {
		queue_note(sk, found.key);
	} else if (!BPF_CORE_READ(sk, sk_socket)) {
		listener = queue_owner(address);
		found.flags = listener ? TCPDWELL_SOCKET_QUEUED : 0;
	}
	if (!listener && !is_orphan(sk))
		found.flags |= TCPDWELL_SOCKET_HELD;
	if ((wanted || found.state == TCPDWELL_LISTEN) && snapshot_full(sk, listener))
		found.known = found.key;
	return 0;
}

static __always_inline void snapshot_hashed(struct seq_file *seq, const struct sock *sk, __u64 key,
					    const bool atomic)
{
	struct subflow_holders *holders = indirect_holders(sk);
	__u64 address = (__u64)sk;
	bool wanted;

	if (!holders && found_before(address, key))
		return;
	found_begin(key);
	wanted = found_full(address);
	if (found.state == TCPDWELL_CLOSE)
		return;
	found_keep(address, wanted);
	if (atomic && found_carries(wanted))
		found_carried(address);
	if (holders)
		snapshot_indirect(seq, address, holders, wanted);
	else if (wanted)
		found_write(seq, address);
}

static __always_inline void tw_keep(const struct inet_timewait_sock *tw,
				    struct tcpdwell_counters *c)
{
	struct lifecycle l = connection_new(tw, found.key, found.e.uid);

	l.state = found.state;
	l.since_ns = found_since_ns();
	l.since = TCPDWELL_DWELL_AT_LEAST;
	l.marks = LIFECYCLE_TW;
	l.waits = found.bound ? LIFECYCLE_BOUND : 0;
	if (found.state == TCPDWELL_FIN_WAIT2)
		l.marks |= LIFECYCLE_TW_FIN_WAIT2;
	l.cgroup_id = 0;
	if (!connection_remember(c, found.key, &l, BPF_NOEXIST, false) && cfg_poll_timewait &&
	    found.state == TCPDWELL_FIN_WAIT2) {
		__u64 key = found.key;

		bpf_map_push_elem(&orphans, &key, 0);
	}
	if (!BPF_CORE_READ(tw, tw_timer.entry.pprev))
		connection_forget(found.key); /* the timer ran out meanwhile */
}

/* Gathers facts about the timewait socket at @address. Returns whether it is wanted. */
__noinline int found_tw(__u64 address)
{
	const struct inet_timewait_sock *tw = (const struct inet_timewait_sock *)address;
	struct tcpdwell_counters *c = counters_here();

	/* The user and the cgroup of the full socket are not known any more. */
	found.e.uid = -1;
	found.e.cgroup_id = 0;
	found.state = found.shown = BPF_CORE_READ(tw, tw_substate);
	found.bound = bucket_is_bound((__u64)BPF_CORE_READ(tw, tw_tb));
	endpoint_read_common(&found.e, &tw->__tw_common, false);
	found.times.state = tw_bounds(tw, found.state, found.now_ns);
	detail_tw(tw, found.now_ns);
	if (!c || cfg_cgroup_id || !filter_connection(NULL, &found.e, false))
		return 0;
	if (cfg_timewait && (!cfg_life || cfg_time_wait) && !connection_find(found.key))
		tw_keep(tw, c);
	found.known = found.key;
	return 1;
}

/* Remembers a timewait socket. Returns whether snapshot_record holds a record of it. */
static __always_inline bool snapshot_tw(__u64 address, __u64 key)
{
	found_begin(key);
	return found_tw(address) && cfg_snapshot_records && found_record(0);
}

static __always_inline void request_keep(const struct request_sock *req,
					 const struct sock *listener, __u64 syn_ns,
					 struct tcpdwell_counters *c)
{
	struct lifecycle made = request_lifecycle(listener, found_since_ns());

	cgroup_match(&made, listener);
	made.since = syn_ns ? TCPDWELL_DWELL_EXACT : TCPDWELL_DWELL_AT_LEAST;
	connection_remember(c, found.key, &made, BPF_NOEXIST, false);
	if (!request_timer_pending(req))
		request_forget(found.key);
}

/*
 * Gathers facts about the request at @address, whose stamp says when its SYN came. Its first row is
 * past, and the flush does not show it any more. The request belongs to its listener, whose holder
 * is to answer it. Returns whether it is wanted.
 */
__noinline int found_request(__u64 address)
{
	const struct request_sock *req = (const struct request_sock *)address;
	struct tcpdwell_counters *c = counters_here();
	const struct sock *listener = request_listener(req);
	__u64 syn_ns = request_syn_ns(req);

	found.state = found.shown = TCPDWELL_SYN_RECV;
	found.flags = TCPDWELL_SOCKET_REQUEST;
	if (BPF_CORE_READ_BITFIELD_PROBED((const struct inet_request_sock *)req, acked))
		found.flags |= TCPDWELL_SOCKET_ANSWERED;
	request_endpoint(&found.e, req, listener);
	found.times.state.latest_ns = found.times.state.earliest_ns = syn_ns;
	detail_request(req, listener, found.now_ns);
	if (!c || !filter_connection(listener, &found.e, false))
		return 0;
	if (cfg_requests && !request_known(address))
		request_keep(req, listener, syn_ns, c);
	if (request_known(address))
		found.known = address;
	else if (cfg_snapshot_records && listener)
		found.known = sock_key_by_address(listener);
	return 1;
}

static __always_inline int snapshot_socket(struct bpf_iter__tcp *ctx, const bool atomic)
{
	struct seq_file *seq = ctx->meta->seq;
	struct sock_common *skc = ctx->sk_common;
	__u64 address, key;

	if (!skc)
		return ITER_NEXT;
	address = address_of(skc);
	if (skc->skc_state == TCP_NEW_SYN_RECV) {
		found_begin(address);
		if (found_request(address))
			found_write(seq, 0);
		return ITER_NEXT;
	}
	key = cfg_has_cookie ? bpf_get_socket_cookie(skc) : address;
	if (skc->skc_state == TCPDWELL_TIME_WAIT) {
		if (!timewait_walked && snapshot_tw(address, key))
			bpf_seq_write(seq, &snapshot_record, sizeof(snapshot_record));
		return ITER_NEXT;
	}
	snapshot_hashed(seq, (const struct sock *)address, key, atomic);
	return ITER_NEXT;
}

#endif /* TCPDWELL_SNAPSHOT_BPF_H */
