/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that were there before the tracer: put into the map of connections by two iterators.
 *
 * The first goes through all descriptors of all processes: who holds a socket owns it, in whatever
 * network namespace. The second goes through the hash tables of one namespace and adds what has no
 * descriptor: timewait sockets, requests, orphans, connections in an accept queue.
 *
 * The tracepoint is attached first, so a socket may move while it is looked at. What a transition
 * has put into the map stays; what the iterator puts there says no more than that the socket was in
 * this state at that time, and lifecycle_dwell() believes it only if the next transition leaves it.
 */
#ifndef TCPDWELL_SNAPSHOT_BPF_H
#define TCPDWELL_SNAPSHOT_BPF_H

#include "carried.bpf.h"
#include "cookies.bpf.h"
#include "detail.bpf.h"
#include "indirect.bpf.h"
#include "process.bpf.h"
#include "request.bpf.h"
#include "young.bpf.h"

/*
 * Children in accept queues by address, and their listener's key, while the snapshot runs; emptied
 * after it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} queued SEC(".maps");

/* What the snapshot found by descriptor, by inode of the network namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCPDWELL_NAMESPACES);
	__type(key, __u32);
	__type(value, struct tcpdwell_namespace);
} namespaces SEC(".maps");

/* A record on its way to that thread: too large for the stack. */
struct tcpdwell_socket snapshot_record;

/* bpf_iter programs answer 0: go on. */
#define ITER_NEXT 0

/* A walk has told of the timewait sockets of the namespace that an iterator goes through. */
__u32 timewait_walked;

/* When a socket entered its state, and when data last went through it (bounds.h). */
struct times {
	struct bounds state;
	struct bounds active;
};

/*
 * ---- Records ------------------------------------------------------------------------------------
 */

/* A socket as an iterator finds it. */
struct found {
	struct tcpdwell_counters *c;
	__u64 key;
	__u64 now_ns;
	struct times times;
	struct endpoint e;
	__u8 state;
	__u8 flags; /* enum tcpdwell_socket_flag */
	__u8 bound; /* bind() took its port */
	__u8 shown; /* the state that its process sees: MPTCP's own */
};

/* Since when it is in its state at the latest: now it is. */
static __always_inline __u64 found_since_ns(const struct found *f)
{
	return f->times.state.latest_ns ?: f->now_ns;
}

/*
 * What was seen of its life is worth more than what its stamps say. That it was found in this state
 * by an earlier look is a bound, too; that it is found so now says nothing.
 */
static __always_inline void record_since(struct tcpdwell_socket *record, const struct found *f,
					 const struct lifecycle *l)
{
	__u64 since_ns = f->times.state.latest_ns;

	record->since_earliest_ns = f->times.state.earliest_ns;
	if (l && l->state == f->shown && l->since == TCPDWELL_DWELL_EXACT) {
		record->since = TCPDWELL_DWELL_EXACT;
		record->since_ns = record->since_earliest_ns = l->since_ns;
		return;
	}
	if (l && l->state == f->shown && l->since == TCPDWELL_DWELL_AT_LEAST &&
	    l->since_ns < snapshot_began_ns)
		since_ns = bounds_older(since_ns, l->since_ns);
	record->since = since_ns ? TCPDWELL_DWELL_AT_LEAST : TCPDWELL_DWELL_UNKNOWN;
	record->since_ns = since_ns ?: f->now_ns;
}

/* The number of the file that its descriptors lead to; 0: there is none. */
static __always_inline __u64 sock_inode(const struct sock *sk)
{
	const struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	const struct socket_alloc *file = (const struct socket_alloc *)socket;

	return socket ? BPF_CORE_READ(file, vfs_inode.i_ino) : 0;
}

/* Whether a socket, its connection or who holds it is in the cgroup that is wanted. */
static __always_inline bool found_in_cgroup(const struct lifecycle *l, const struct sock *sk,
					    const struct holder *holder)
{
	if (!cfg_cgroup_id || (l && is_in_cgroup(l)) || (sk && sock_in_cgroup(sk)))
		return true;
	return holder && task_in_cgroup((__u64)holder->leader);
}

/* Who may yet get what is in flight does not hold it, so that one is not named as a holder. */
static __always_inline void record_holder(struct tcpdwell_socket *record,
					  const struct holder *holder)
{
	const struct task_struct *leader = holder->leader;

	record->flags |= holder->way;
	if (holder->way == TCPDWELL_SOCKET_IN_FLIGHT) {
		record->owner = TCPDWELL_OWNER_NONE;
		record->owner_pid = holder->pid;
	} else {
		record->pid = holder->pid;
		record->fd = holder->fd;
	}
	bpf_core_read(record->comm, OWNER_COMM_LEN, &leader->comm);
}

/* Makes the record of a socket. Returns whether user space asked for one. */
static __always_inline bool found_record(const struct found *f, const struct lifecycle *l,
					 const struct sock *sk, const struct holder *holder)
{
	struct tcpdwell_socket *record = &snapshot_record;
	__u32 range;

	if (!cfg_snapshot_records || (cfg_uid_count && !uid_wanted(f->e.uid)) ||
	    !found_in_cgroup(l, sk, holder))
		return false;
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = TCPDWELL_SOCKET;
	record->size = sizeof(*record);
	record->state = f->shown;
	record->family = f->e.family;
	record->flags = f->flags;
	record->key = f->key;
	record->active_ns = f->times.active.latest_ns;
	record->active_earliest_ns = f->times.active.earliest_ns;
	record->cgroup_id = f->e.cgroup_id;
	record->netns = f->e.netns;
	record->uid = f->e.uid;
	record->lport = f->e.lport;
	record->rport = f->e.rport;
	__builtin_memcpy(record->laddr, f->e.laddr, sizeof(record->laddr));
	__builtin_memcpy(record->raddr, f->e.raddr, sizeof(record->raddr));
	record_since(record, f, l);
	if (l && l->owner != TCPDWELL_OWNER_NONE) {
		record->owner = l->owner;
		record->owner_pid = l->pid;
		__builtin_memcpy(record->comm, l->comm, OWNER_COMM_LEN);
	}
	if (holder)
		record_holder(record, holder);
	record->bound = f->bound;
	record->scope = (__u32)f->e.scope_high << 16 | f->e.scope_low;
	if (sk) {
		record->inode = sock_inode(sk);
		range = sock_port_range(address_of(sk));
		record->ports_low = range & 0xffff;
		record->ports_high = range >> 16;
	}
	if (cfg_details)
		record->detail = snapshot_detail;
	if (f->state == TCPDWELL_LISTEN) {
		record->queued = BPF_CORE_READ(sk, sk_ack_backlog);
		record->queue_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
		record->drops = BPF_CORE_READ(sk, sk_drops.counter);
	}
	return true;
}

/*
 * Tells user space of a socket. A record that does not fit makes the kernel run the program once
 * more for the same socket, when there is room.
 */
static __always_inline void found_write(struct seq_file *seq, const struct found *f,
					const struct lifecycle *l, const struct sock *sk,
					const struct holder *holder)
{
	if (found_record(f, l, sk, holder))
		bpf_seq_write(seq, &snapshot_record, sizeof(snapshot_record));
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
 * Make @holder the owner, or count it as one more. All descriptors of a process come one after
 * another. Returns whether it is the first in this run.
 */
static __always_inline bool holder_add(struct lifecycle *l, const struct holder *holder)
{
	const struct task_struct *leader = holder->leader;
	__u64 mark = holder_mark(holder->pid);

	if (l->waits & LIFECYCLE_WAITING || l->marks & LIFECYCLE_TW)
		return false; /* it is moving, and another knows more */
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

/* What this run found in a network namespace; NULL: there is no room for another one. */
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
 * Count a socket that was there before the tracer, once, and the requests of a listener. Where all
 * that a namespace has are counted, its hash tables need not be gone through. To miss one costs no
 * more than that: those that moved meanwhile, or that found no room here, are not counted.
 */
static __always_inline void found_count(const struct found *f, const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	struct tcpdwell_namespace *n = namespace_here(f->e.netns);

	if (!n)
		return;
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

	if (f->state == TCPDWELL_LISTEN)
		listener_begins(address_of(sk), f->key);
	if (known)
		return known;
	if (is_being_born(sk, f->state))
		return NULL;
	l = connection_new(sk, f->key, f->e.uid);
	l.state = f->state;
	l.since_ns = found_since_ns(f);
	l.since = TCPDWELL_DWELL_AT_LEAST;
	l.waits = (f->bound ? LIFECYCLE_BOUND : 0) | LIFECYCLE_OLD;
	if (l.state == TCPDWELL_LISTEN)
		l.task = 0;
	if (listener)
		owner_inherit(&l, listener);
	cgroup_match(&l, sk);
	owner_match(&l);
	if (connection_remember(f->c, f->key, &l, BPF_NOEXIST, false) == 0 &&
	    BPF_CORE_READ(sk, __sk_common.skc_state) == TCPDWELL_CLOSE)
		connection_forget(f->key);
	return connection_find(f->key);
}

/*
 * The peer's end of data is MPTCP's own (DATA_FIN): the TCP socket goes on in ESTABLISHED, while
 * the socket that the process has is in CLOSE_WAIT.
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
 * Facts about a full socket. Returns whether its connection is wanted. A listener is remembered in
 * any case: it owns its children.
 */
static __always_inline bool found_full(struct found *f, const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;

	f->c = counters_here();
	f->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	f->now_ns = bpf_ktime_get_ns();
	f->flags = BPF_CORE_READ(sk, sk_socket) ? TCPDWELL_SOCKET_HELD : 0;
	f->bound = bucket_is_bound((__u64)BPF_CORE_READ(icsk, icsk_bind_hash));
	f->shown = state_shown(address_of(sk), f->state);
	bounds_read(address_of(sk), f->now_ns, f->shown);
	f->times.state.latest_ns = snapshot_times.state[0];
	f->times.state.earliest_ns = snapshot_times.state[1];
	f->times.active.latest_ns = snapshot_times.active[0];
	f->times.active.earliest_ns = snapshot_times.active[1];
	if (cfg_details)
		detail_read(address_of(sk), f->now_ns, f->state);
	endpoint_read(&f->e, sk, false);
	if (f->state == TCPDWELL_CLOSE && !f->e.lport)
		endpoint_set_last_port(&f->e, sk);
	return filter_connection(sk, &f->e, false);
}

static __always_inline void snapshot_descriptor(struct seq_file *seq, struct task_struct *task,
						__u32 fd, const struct sock *sk, __u64 key,
						const bool atomic)
{
	struct holder holder = holder_of(task, fd);
	struct lifecycle *l = NULL;
	struct found f = { .key = key };
	bool wanted = found_full(&f, sk);

	if (!f.c)
		return;
	if (f.state != TCPDWELL_CLOSE && (wanted || f.state == TCPDWELL_LISTEN)) {
		l = snapshot_full(sk, &f, NULL);
		if (l && holder_add(l, &holder) && l->since == TCPDWELL_DWELL_AT_LEAST)
			found_count(&f, sk);
	}
	if (atomic && cfg_carried && wanted && l && f.state != TCPDWELL_LISTEN)
		carried_found(sk, &f.e, l, key);
	if (wanted)
		found_write(seq, &f, l, sk, &holder);
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

/*
 * Tell of each that has a socket otherwise than by a descriptor that leads to it, as
 * snapshot_descriptor() does. Who has it as a fixed file beside a descriptor, or may get it from a
 * queue beside those who have it, is nobody's owner.
 */
static __always_inline void snapshot_indirect(struct seq_file *seq, const struct found *f,
					      struct lifecycle *l, const struct sock *sk,
					      const struct subflow_holders *holders, bool wanted)
{
	bool alone = !holders->slots[0] || indirect_alone(address_of(sk), (__u64)sk);

	for (__u32 i = 0; i < SUBFLOW_HOLDERS && i < holders->count; i++) {
		struct holder *holder = &indirect.holder; /* for the stack's sake */
		struct lifecycle *known = l;
		bool held;

		holder->leader = (const struct task_struct *)holders->leaders[i];
		holder->table = holders->tables[i];
		holder->pid = holders->pids[i];
		holder->fd = holders->fds[i];
		holder->way = holders->ways[i];
		held = holder->way != TCPDWELL_SOCKET_IN_FLIGHT;

		barrier_var(
			known); /* else its members' addresses are taken before it is looked at */
		if (known && held && alone)
			holder_add(known, holder);
		if (wanted)
			found_write(seq, f, known, sk, held || alone ? holder : NULL);
	}
}

static __always_inline void snapshot_hashed(struct seq_file *seq, const struct sock *sk, __u64 key,
					    const bool atomic)
{
	struct lifecycle *l = NULL, *listener = NULL;
	struct subflow_holders *holders = indirect_holders(sk);
	struct found f = { .key = key };
	bool wanted;

	/* Most have a descriptor, and nothing is left to be found out. */
	if (!cfg_snapshot_records && !holders && BPF_CORE_READ(sk, sk_socket) &&
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
	if (!listener && !is_orphan(sk))
		f.flags |= TCPDWELL_SOCKET_HELD;
	if (wanted || f.state == TCPDWELL_LISTEN)
		l = snapshot_full(sk, &f, listener);
	if (atomic && cfg_carried && wanted && l && f.state != TCPDWELL_LISTEN)
		carried_found(sk, &f.e, l, key);
	if (holders)
		snapshot_indirect(seq, &f, l, sk, holders, wanted);
	else if (wanted)
		found_write(seq, &f, l, sk, NULL);
}

/* Remembers a timewait socket. Returns whether there is a record of it. */
static __always_inline bool snapshot_tw(const struct inet_timewait_sock *tw, __u64 key)
{
	struct found f = { .key = key, .c = counters_here(), .now_ns = bpf_ktime_get_ns() };
	struct lifecycle l;

	/* Neither user nor cgroup are left of the socket that it was. */
	f.e.uid = -1;
	f.e.cgroup_id = 0;
	f.state = f.shown = BPF_CORE_READ(tw, tw_substate);
	f.bound = bucket_is_bound((__u64)BPF_CORE_READ(tw, tw_tb));
	endpoint_read_common(&f.e, &tw->__tw_common, false);
	f.times.state = tw_bounds(tw, f.state, f.now_ns);
	detail_tw(tw, f.now_ns);
	if (!f.c || cfg_cgroup_id || !filter_connection(NULL, &f.e, false))
		return false;
	if (cfg_timewait && (!cfg_life || cfg_time_wait) && !connection_find(key)) {
		l = connection_new(tw, key, f.e.uid);
		l.state = f.state;
		l.since_ns = found_since_ns(&f);
		l.since = TCPDWELL_DWELL_AT_LEAST;
		l.marks = LIFECYCLE_TW;
		l.waits = f.bound ? LIFECYCLE_BOUND : 0;
		if (f.state == TCPDWELL_FIN_WAIT2)
			l.marks |= LIFECYCLE_TW_FIN_WAIT2;
		l.cgroup_id = 0;
		if (!connection_remember(f.c, key, &l, BPF_NOEXIST, false) && cfg_poll_timewait &&
		    f.state == TCPDWELL_FIN_WAIT2)
			bpf_map_push_elem(&orphans, &key, 0);
		if (!BPF_CORE_READ(tw, tw_timer.entry.pprev))
			connection_forget(key); /* it ran out meanwhile */
	}
	return found_record(&f, connection_find(key), NULL, NULL);
}

/*
 * A request knows when its SYN came. Its first row has gone by: the flush shows it no more. It is
 * the listener's: who holds that one is to answer it.
 */
static __always_inline void snapshot_request(struct seq_file *seq, const struct request_sock *req)
{
	struct found f = {
		.key = (__u64)req,
		.c = counters_here(),
		.now_ns = bpf_ktime_get_ns(),
		.state = TCPDWELL_SYN_RECV,
		.shown = TCPDWELL_SYN_RECV,
		.flags = TCPDWELL_SOCKET_REQUEST,
	};
	const struct sock *listener = request_listener(req);
	__u64 syn_ns = request_syn_ns(req);
	struct lifecycle *l;

	request_endpoint(&f.e, req, listener);
	f.times.state.latest_ns = f.times.state.earliest_ns = syn_ns;
	detail_request(req, listener, f.now_ns);
	if (!f.c || !filter_connection(listener, &f.e, false))
		return;
	if (cfg_requests && !request_known(f.key)) {
		struct lifecycle made = request_lifecycle(listener, found_since_ns(&f));

		cgroup_match(&made, listener);
		made.since = syn_ns ? TCPDWELL_DWELL_EXACT : TCPDWELL_DWELL_AT_LEAST;
		connection_remember(f.c, f.key, &made, BPF_NOEXIST, false);
		if (!request_timer_pending(req))
			request_forget(f.key);
	}
	l = request_known(f.key);
	if (!l && cfg_snapshot_records && listener)
		l = connection_find(sock_key_by_address(listener));
	found_write(seq, &f, l, NULL, NULL);
}

#endif /* TCPDWELL_SNAPSHOT_BPF_H */
