/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that were there before the tracer: put into the map of connections by two iterators.
 *
 * The first goes through all descriptors of all processes: who holds a socket owns it, in whatever
 * network namespace. The second goes through the hash tables of one namespace and adds what has no
 * descriptor: mini sockets, requests, orphans, connections in an accept queue.
 *
 * The tracepoint is attached first, so a socket may move while it is looked at. What a transition
 * has put into the map stays; what the iterator puts there says no more than that the socket was in
 * this state at that time, and lifecycle_dwell() believes it only if the next transition leaves it.
 */
#ifndef TCPDWELL_SNAPSHOT_BPF_H
#define TCPDWELL_SNAPSHOT_BPF_H

#include "process.bpf.h"
#include "request.bpf.h"
#include "young.bpf.h"

#define SOCK_STREAM 1

/* bpf_iter programs answer 0: go on. */
#define ITER_NEXT 0

/* When a socket entered its state, at the latest. */
struct since {
	__u64 ns;
	__u8 worth; /* enum tcpdwell_dwell */
};

/*
 * ---- Lower bounds -------------------------------------------------------------------------------
 */

/*
 * A segment is stamped when it comes in, and moves the socket a little later, in the same softirq.
 * That long is taken off each bound, so that it stays a true one on a busy host.
 */
#define PROCESSING_NS 1000000ULL

static __always_inline __u64 older(__u64 a_ns, __u64 b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/*
 * The time of a tcp_jiffies32 stamp, at the latest: a stamp says which tick it was, and now is
 * somewhere in this tick, so of the ticks between them one is not whole. 32 bits go round in 49
 * days at the least; what is older looks younger, which keeps the bound true. 0 is no stamp.
 */
static __always_inline __u64 jiffies32_ns(__u32 stamp, __u64 now_ns)
{
	__u32 past = (__u32)bpf_jiffies64() - stamp;
	__u64 past_ns;

	if (!stamp || (__s32)past <= 1)
		return now_ns;
	past_ns = (past - 1) * cfg_tick_ns;
	return past_ns < now_ns ? now_ns - past_ns : now_ns;
}

/* tcp_sock.tcp_mstamp: microseconds of CLOCK_MONOTONIC (tcp_mstamp_refresh()). */
static __always_inline __u64 mstamp_ns(const struct tcp_sock *tp, __u64 now_ns)
{
	__u64 ns = BPF_CORE_READ(tp, tcp_mstamp) * 1000;

	return ns && ns < now_ns ? ns : now_ns;
}

/*
 * tcp_sock.retrans_stamp in SYN_SENT: when the first SYN was sent (tcp_connect()), which follows
 * the transition. Milliseconds, or microseconds where the route asks for such time stamps (6.7).
 */
static __always_inline __u64 first_syn_ns(const struct tcp_sock *tp, __u64 now_ns)
{
	__u32 stamp = BPF_CORE_READ(tp, retrans_stamp), past;
	__u64 unit_ns = 1000000;

	if (bpf_core_field_exists(tp->tcp_usec_ts) &&
	    BPF_CORE_READ_BITFIELD_PROBED(tp, tcp_usec_ts))
		unit_ns = 1000;
	past = (__u32)(now_ns / unit_ns) - stamp;
	if (!stamp || (__s32)past <= 1 || (past - 1) * unit_ns >= now_ns)
		return now_ns;
	return now_ns - (past - 1) * unit_ns;
}

/*
 * When a full socket entered its state at the latest: the oldest stamp that is certain not to be
 * older than that.
 *
 *	ESTABLISHED	lsndtime is set on entry (tcp_finish_connect(), tcp_rcv_state_process();
 *			for a child in tcp_create_openreq_child(), in the same softirq) and when
 *			data is sent.
 *			rcv_tstamp was set by the segment that completed the handshake (tcp_ack()),
 *			and is by each one since.
 *	CLOSE_WAIT	A segment of the peer led here, which tcp_ack() stamped in rcv_tstamp
 *	FIN_WAIT2	before the transition. Only one that was overtaken by a later ACK is
 *	CLOSING		not stamped, and then the stamp is that ACK's: on the wire, both are
 *			next to each other.
 *	FIN_WAIT1	The process closes, and tcp_send_fin() sends what it can: tcp_write_xmit()
 *	LAST_ACK	takes the time, and so does all that is sent and received from then on.
 *	SYN_RECV	A SYN came (simultaneous open, or fast open): tcp_mstamp was taken for it.
 *	SYN_SENT	The first SYN, see above.
 *	LISTEN		Nothing tells. It listens now.
 *
 * tcp_mstamp is taken for each segment that comes or goes, so it serves all but the last two; where
 * the peer does not answer the keep-alive probes, rcv_tstamp is the older one.
 */
static __always_inline struct since sock_since(const struct sock *sk, __u8 state, __u64 now_ns)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct since since = { .ns = now_ns, .worth = TCPDWELL_DWELL_AT_LEAST };

	switch (state) {
	case TCPDWELL_ESTABLISHED:
		since.ns = jiffies32_ns(BPF_CORE_READ(tp, lsndtime), now_ns);
		/* fall through */
	case TCPDWELL_CLOSE_WAIT:
	case TCPDWELL_FIN_WAIT2:
	case TCPDWELL_CLOSING:
		since.ns = older(since.ns, jiffies32_ns(BPF_CORE_READ(tp, rcv_tstamp), now_ns));
		/* fall through */
	case TCPDWELL_FIN_WAIT1:
	case TCPDWELL_LAST_ACK:
	case TCPDWELL_SYN_RECV:
		since.ns = older(since.ns, mstamp_ns(tp, now_ns));
		break;
	case TCPDWELL_SYN_SENT:
		since.ns = first_syn_ns(tp, now_ns);
		break;
	}
	since.ns = older(since.ns + PROCESSING_NS, now_ns);
	return since;
}

/*
 * When a mini socket entered its state at the latest. In TIME_WAIT its timer was armed for 60 s, on
 * entry and by each segment since. In FIN_WAIT2 the time it was armed for is not kept.
 */
static __always_inline struct since mini_since(const struct inet_timewait_sock *tw, __u8 state,
					       __u64 now_ns)
{
	struct since since = { .ns = now_ns, .worth = TCPDWELL_DWELL_AT_LEAST };
	__u64 left, armed_for = TIMEWAIT_SECONDS * 1000000000ULL / cfg_tick_ns;

	if (state != TCPDWELL_TIME_WAIT)
		return since;
	left = BPF_CORE_READ(tw, tw_timer.expires) - bpf_jiffies64();
	/* One tick for each end, as above; beyond 60 s, or run out, there is nothing to say. */
	if (left + 1 < armed_for && (armed_for - left - 1) * cfg_tick_ns < now_ns)
		since.ns = now_ns - (armed_for - left - 1) * cfg_tick_ns;
	return since;
}

/*
 * ---- Records ------------------------------------------------------------------------------------
 */

/* A socket as an iterator finds it. */
struct found {
	struct tcpdwell_counters *c;
	__u64 key;
	__u64 now_ns;
	struct since since;
	__u64 active_ns;
	struct endpoint e;
	__u8 state;
	__u8 flags; /* enum tcpdwell_socket_flag */
};

/*
 * Tell user space, if it asked. A record that does not fit makes the kernel run the program once
 * more for the same socket, when there is room.
 */
static __always_inline void found_write(struct seq_file *seq, const struct found *f,
					const struct lifecycle *l, const struct sock *sk,
					const struct task_struct *task, __u32 fd)
{
	struct tcpdwell_socket record = {
		.kind = TCPDWELL_SOCKET,
		.size = sizeof(record),
		.state = f->state,
		.family = f->e.family,
		.since = f->since.worth,
		.flags = f->flags,
		.key = f->key,
		.since_ns = f->since.ns,
		.active_ns = f->active_ns,
		.cgroup_id = f->e.cgroup_id,
		.netns = f->e.netns,
		.uid = f->e.uid,
		.fd = fd,
		.lport = f->e.lport,
		.rport = f->e.rport,
	};

	if (!cfg_snapshot_records || (cfg_uid_count && !uid_wanted(f->e.uid)))
		return;
	/* What was seen of its life is worth more than what its stamps say. */
	if (l && l->state == f->state && l->since != TCPDWELL_DWELL_UNKNOWN) {
		record.since = l->since;
		record.since_ns = l->since_ns;
	}
	if (l && l->owner != TCPDWELL_OWNER_NONE) {
		record.owner = l->owner;
		record.owner_pid = l->pid;
		__builtin_memcpy(record.comm, l->comm, OWNER_COMM_LEN);
	}
	if (task) {
		record.pid = BPF_CORE_READ(task, tgid);
		bpf_probe_read_kernel(record.comm, OWNER_COMM_LEN,
				      &BPF_CORE_READ(task, group_leader)->comm);
	}
	if (f->state == TCPDWELL_LISTEN) {
		record.queued = BPF_CORE_READ(sk, sk_ack_backlog);
		record.queue_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
	}
	__builtin_memcpy(record.laddr, f->e.laddr, sizeof(record.laddr));
	__builtin_memcpy(record.raddr, f->e.raddr, sizeof(record.raddr));
	bpf_seq_write(seq, &record, sizeof(record));
}

/*
 * ---- Descriptors --------------------------------------------------------------------------------
 */

/* Numbers of processes fit 22 bits (PID_MAX_LIMIT), and the highest bit is an address's. */
#define HOLDER_ROUNDS	   512
#define HOLDER_ROUND_SHIFT 54
#define HOLDER_PID_SHIFT   32

/* This run and process, as struct lifecycle keeps them. */
static __always_inline __u64 holder_mark(__u32 pid)
{
	return (__u64)(snapshot_round % HOLDER_ROUNDS) << HOLDER_ROUND_SHIFT |
	       (__u64)pid << HOLDER_PID_SHIFT;
}

/*
 * Make @task, which has the socket behind @fd, the owner, or count it as one more holder. All
 * descriptors of a process come one after another. Returns whether it is the first in this run.
 */
static __always_inline bool holder_add(struct lifecycle *l, const struct task_struct *task,
				       __u32 fd)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u32 pid = BPF_CORE_READ(task, tgid);
	__u64 mark = holder_mark(pid);

	if (l->waits & LIFECYCLE_WAITING || l->marks & LIFECYCLE_MINI)
		return false; /* it is moving, and another knows more */
	if (l->owner != TCPDWELL_OWNER_NONE && l->owner != TCPDWELL_OWNER_SCAN)
		return false;
	if (l->owner == TCPDWELL_OWNER_SCAN &&
	    l->holder >> HOLDER_ROUND_SHIFT == mark >> HOLDER_ROUND_SHIFT) {
		if (l->holder >> HOLDER_PID_SHIFT != mark >> HOLDER_PID_SHIFT && l->holders < 255)
			l->holders++;
		l->holder = mark | (__u32)l->holder;
		return false;
	}
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_NONE;
	bpf_core_read(l->comm, OWNER_COMM_LEN, &leader->comm);
	l->pid = pid;
	l->holders = 1;
	l->holder = mark;
	if (l->state == TCPDWELL_LISTEN)
		listener_held_by(l, leader, fd);
	l->holder = mark | (__u32)l->holder;
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_SCAN;
	owner_match(l);
	return true;
}

/*
 * Count a socket that was there before the tracer, once, and the requests of a listener. Where all
 * that a namespace has are counted, its hash tables need not be gone through. To miss one costs no
 * more than that: those that moved meanwhile, or that found no room here, are not counted.
 */
static __always_inline void found_count(const struct found *f, const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	struct tcpdwell_namespace none = {}, *n;

	n = bpf_map_lookup_elem(&namespaces, &f->e.netns);
	if (!n) {
		bpf_map_update_elem(&namespaces, &f->e.netns, &none, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&namespaces, &f->e.netns);
	}
	if (!n)
		return;
	if (n->round != snapshot_round) {
		n->round = snapshot_round;
		n->sockets = 0;
		n->requests = 0;
	}
	n->sockets++;
	if (f->state == TCPDWELL_LISTEN)
		n->requests += BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter);
}

/*
 * Whether a socket is a child ahead of its first transition, which is to tell all of it: in the
 * middle of its handshake's last ACK, or born by a SYN with data since the tracer is here.
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
 * The entry of a full socket, new or not; NULL if it is not to be remembered. One that closed in
 * the meantime is taken out again: its last transition has gone by.
 */
static __always_inline struct lifecycle *snapshot_full(const struct sock *sk, const struct found *f,
						       const struct lifecycle *listener)
{
	struct lifecycle *known = connection_find(f->key), l;

	if (known)
		return known;
	if (is_being_born(sk, f->state))
		return NULL;
	l = connection_new(sk, f->key, f->e.uid);
	l.state = f->state;
	l.since_ns = f->since.ns;
	l.since = f->since.worth;
	if (listener)
		owner_inherit(&l, listener);
	owner_match(&l);
	if (connection_remember(f->c, f->key, &l, BPF_NOEXIST, false) == 0 &&
	    BPF_CORE_READ(sk, __sk_common.skc_state) == TCPDWELL_CLOSE)
		connection_forget(f->key);
	return connection_find(f->key);
}

/*
 * Facts about a full socket. Returns whether its connection is wanted. A listener is remembered in
 * any case: it owns its children.
 */
static __always_inline bool found_full(struct found *f, const struct sock *sk)
{
	f->c = counters_here();
	f->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	f->now_ns = bpf_ktime_get_ns();
	f->since = sock_since(sk, f->state, f->now_ns);
	f->active_ns = BPF_CORE_READ((const struct tcp_sock *)sk, tcp_mstamp) * 1000;
	f->flags = BPF_CORE_READ(sk, sk_socket) ? TCPDWELL_SOCKET_HELD : 0;
	endpoint_read(&f->e, sk, false);
	return filter_connection(sk, &f->e, false);
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == AF_INET || family == AF_INET6) &&
	       BPF_CORE_READ(sk, sk_type) == SOCK_STREAM &&
	       BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

static __always_inline void snapshot_descriptor(struct seq_file *seq, struct task_struct *task,
						__u32 fd, const struct sock *sk, __u64 key)
{
	struct lifecycle *l = NULL;
	struct found f = { .key = key };
	bool wanted = found_full(&f, sk);

	if (!f.c)
		return;
	if (f.state != TCPDWELL_CLOSE && (wanted || f.state == TCPDWELL_LISTEN)) {
		l = snapshot_full(sk, &f, NULL);
		if (l && holder_add(l, task, fd) && l->since == TCPDWELL_DWELL_AT_LEAST)
			found_count(&f, sk);
	}
	if (wanted)
		found_write(seq, &f, l, sk, task, fd);
}

/*
 * ---- Hash tables --------------------------------------------------------------------------------
 */

/*
 * 65536 children are the longest queue: so many in a stretch, stretches in a run, and runs. The
 * verifier walks through each turn of a loop, but through a function of numbers once.
 */
#define QUEUE_STRETCH	64
#define QUEUE_STRETCHES 32
#define QUEUE_RUNS	32

/* Note whose children stand in a stretch of an accept queue. Returns where the next one begins. */
__noinline __u64 queue_stretch(__u64 head, __u64 listener)
{
	const struct request_sock *req = (const struct request_sock *)head;

	for (int i = 0; i < QUEUE_STRETCH && req; i++) {
		__u64 child = (__u64)BPF_CORE_READ(req, sk);

		bpf_map_update_elem(&queued, &child, &listener, BPF_ANY);
		req = BPF_CORE_READ(req, dl_next);
	}
	return (__u64)req;
}

__noinline __u64 queue_run(__u64 head, __u64 listener)
{
	for (int i = 0; i < QUEUE_STRETCHES && head; i++)
		head = queue_stretch(head, listener);
	return head;
}

/* The iterator holds the listener's lock (5.15), so accept() cannot change the queue meanwhile. */
static __always_inline void queue_note(const struct sock *listener, __u64 key)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)listener;
	__u64 head = (__u64)BPF_CORE_READ(icsk, icsk_accept_queue.rskq_accept_head);

	for (int i = 0; i < QUEUE_RUNS && head; i++)
		head = queue_run(head, key);
}

/*
 * The listener in whose queue a socket without a descriptor waits, if it was met; it comes first.
 */
static __always_inline struct lifecycle *queue_owner(const struct sock *sk)
{
	__u64 child = (__u64)sk, *listener = bpf_map_lookup_elem(&queued, &child);

	return listener ? connection_find(*listener) : NULL;
}

static __always_inline void snapshot_hashed(struct seq_file *seq, const struct sock *sk, __u64 key)
{
	struct lifecycle *l = NULL, *listener = NULL;
	struct found f = { .key = key };
	bool wanted;

	/* Most have a descriptor, and nothing is left to be found out. */
	if (!cfg_snapshot_records && BPF_CORE_READ(sk, sk_socket) &&
	    BPF_CORE_READ(sk, __sk_common.skc_state) != TCPDWELL_LISTEN && connection_find(key))
		return;
	wanted = found_full(&f, sk);
	if (!f.c || f.state == TCPDWELL_CLOSE)
		return;
	if (f.state == TCPDWELL_LISTEN) {
		queue_note(sk, key);
	} else if (!BPF_CORE_READ(sk, sk_socket)) {
		listener = queue_owner(sk);
		f.flags = listener ? TCPDWELL_SOCKET_QUEUED : 0;
	}
	if (wanted || f.state == TCPDWELL_LISTEN)
		l = snapshot_full(sk, &f, listener);
	if (wanted)
		found_write(seq, &f, l, sk, NULL, 0);
}

static __always_inline void snapshot_mini(struct seq_file *seq, const struct inet_timewait_sock *tw,
					  __u64 key)
{
	struct found f = { .key = key, .c = counters_here(), .now_ns = bpf_ktime_get_ns() };
	struct lifecycle l;

	/* Neither user nor cgroup are left of the socket that it was. */
	f.e.uid = -1;
	f.e.cgroup_id = 0;
	f.state = BPF_CORE_READ(tw, tw_substate);
	endpoint_read_common(&f.e, &tw->__tw_common, false);
	f.since = mini_since(tw, f.state, f.now_ns);
	if (!f.c || cfg_cgroup_id || !filter_connection(NULL, &f.e, false))
		return;
	if (cfg_minis && !connection_find(key)) {
		l = connection_new(tw, key, f.e.uid);
		l.state = f.state;
		l.since_ns = f.since.ns;
		l.since = f.since.worth;
		l.marks = LIFECYCLE_MINI;
		if (f.state == TCPDWELL_FIN_WAIT2)
			l.marks |= LIFECYCLE_MINI_FIN_WAIT2;
		l.cgroup_id = 0;
		if (!connection_remember(f.c, key, &l, BPF_NOEXIST, false) && cfg_poll_minis &&
		    f.state == TCPDWELL_FIN_WAIT2)
			bpf_map_push_elem(&orphans, &key, 0);
		if (!BPF_CORE_READ(tw, tw_timer.entry.pprev))
			connection_forget(key); /* it ran out meanwhile */
	}
	found_write(seq, &f, connection_find(key), NULL, NULL, 0);
}

/* A request knows when its SYN came. Its first row has gone by: the flush shows it no more. */
static __always_inline void snapshot_request(struct seq_file *seq, const struct request_sock *req)
{
	struct found f = {
		.key = (__u64)req,
		.c = counters_here(),
		.now_ns = bpf_ktime_get_ns(),
		.state = TCPDWELL_SYN_RECV,
	};
	const struct sock *listener = request_listener(req);
	__u64 syn_ns = request_syn_ns(req);

	request_endpoint(&f.e, req, listener);
	f.since.ns = syn_ns ?: f.now_ns;
	f.since.worth = syn_ns ? TCPDWELL_DWELL_EXACT : TCPDWELL_DWELL_AT_LEAST;
	if (!f.c || !filter_connection(listener, &f.e, false))
		return;
	if (cfg_requests && !request_known(f.key)) {
		struct lifecycle l = request_lifecycle(listener, f.since.ns);

		l.since = f.since.worth;
		connection_remember(f.c, f.key, &l, BPF_NOEXIST, false);
		if (!request_timer_pending(req))
			request_forget(f.key);
	}
	found_write(seq, &f, request_known(f.key), NULL, NULL, 0);
}

#endif /* TCPDWELL_SNAPSHOT_BPF_H */
