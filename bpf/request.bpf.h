/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests: a connection in SYN_RECV, from its SYN to the ACK that completes the handshake.
 *
 * Most handshakes are over within a round trip. Then the request's own stamp tells everything at
 * the end, and nothing is remembered of the request. Only a request that lasts gets an entry in the
 * map, and its first row at once. In most of the programs a request is no BTF pointer, so helpers
 * read everything.
 */
#ifndef TCPDWELL_REQUEST_BPF_H
#define TCPDWELL_REQUEST_BPF_H

#include "flood.bpf.h"
#include "parked.bpf.h"
#include "reset.bpf.h"

/* Requests that were hashed and may turn out to be slow, oldest first. */
struct pending_request {
	__u64 request;
	__u64 time_ns;
	__u32 isn; /* of the SYN; it tells a request from a later one at the same address */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16384);
	__type(value, struct pending_request);
} requests SEC(".maps");

/* The request whose timer runs out on this CPU: what is to be told if it does not survive that. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dying_request);
} dying_requests SEC(".maps");

/* Requests whose end the kernel ran no program for, and of which something was shown. */
__u64 requests_gone;

/*
 * The request that the flush took from the queue and found too young. To take it is cheaper than to
 * look at it now and take it later. Only the flush writes this, and one reader runs the flush. It
 * is static so that the skeleton, which does not know the type, leaves it out.
 */
static struct pending_request oldest_request;

/*
 * A request of this age may have been found slow by the flush on another CPU. The flush looks at
 * none before it is twice as old (the reader's LOADER_WAIT_NS).
 */
#define REQUEST_SLOW_NS 15000000ULL

/* The state of a request in skc_state (include/net/tcp_states.h); users see SYN_RECV. */
#define TCP_NEW_SYN_RECV 12

static __always_inline struct request_sock *request_of_timer(struct timer_list *timer)
{
	return (void *)timer - bpf_core_field_offset(struct request_sock, rsk_timer);
}

/*
 * Returns when the SYN-ACK was made, which is within microseconds of the SYN (tcp_make_synack());
 * 0: not yet.
 */
static __always_inline __u64 request_syn_ns(const struct request_sock *req)
{
	return PEEK(tcp_request_sock, req, snt_synack) * 1000;
}

static __always_inline __u32 request_isn(const struct request_sock *req)
{
	return PEEK(tcp_request_sock, req, rcv_isn);
}

static __always_inline const struct sock *request_listener(const struct request_sock *req)
{
	return PEEK(request_sock, req, __req_common.skc_listener);
}

static __always_inline bool request_timer_pending(const struct request_sock *req)
{
	return PEEK(request_sock, req, rsk_timer.entry.pprev);
}

/*
 * Returns whether @req still waits, and its memory has not been given to another request since it
 * had @isn.
 */
static __always_inline bool request_waits(const struct request_sock *req, __u32 isn)
{
	return request_timer_pending(req) && request_isn(req) == isn;
}

static __always_inline void listener_endpoint(struct endpoint *e, const struct sock *listener)
{
	e->uid = PEEK(sock, listener, sk_uid.val);
	e->cgroup_id = cfg_want_cgroup ? sock_cgroup_id(listener, false) : 0;
}

/* Reads the ends from the request, user and cgroup from its listener. */
static __always_inline void request_endpoint(struct endpoint *e, const struct request_sock *req,
					     const struct sock *listener)
{
	endpoint_read_common(e, &req->__req_common, false);
	listener_endpoint(e, listener);
}

/*
 * Returns a new connection that is still a request: it has its listener's owner, and is in SYN_RECV
 * since the SYN.
 */
static __always_inline struct lifecycle request_lifecycle(const struct sock *listener, __u64 syn_ns)
{
	struct lifecycle l = { .id = identity_new(),
			       .marks = LIFECYCLE_OPENED_EXACT | LIFECYCLE_OF_REQUEST };

	l.uid = PEEK(sock, listener, sk_uid.val);
	lifecycle_enter(&l, TCPDWELL_SYN_RECV, syn_ns);
	listener_inherit(&l, listener, true);
	owner_match(&l);
	return l;
}

static __always_inline struct row request_birth(__u64 syn_ns)
{
	return row_birth(TCPDWELL_LISTEN, TCPDWELL_SYN_RECV, syn_ns, TCPDWELL_SOURCE_REQUEST_SOCK);
}

/*
 * Returns false if the filters that are cheap to ask want no row of the request. Then it does not
 * wait in the queue, and nobody is woken to look at it.
 */
static __always_inline bool request_may_be_wanted(const struct request_sock *req)
{
	const struct sock_common *skc = &req->__req_common;

	return ports_pass(skc) &&
	       (!cfg_netns || BPF_CORE_READ(skc, skc_net.net, ns.inum) == cfg_netns);
}

/* A SYN was answered and its request was hashed. */
static __always_inline void request_hashed(const struct request_sock *req)
{
	struct pending_request pending = {
		.request = (__u64)req,
		.time_ns = bpf_ktime_get_ns(),
		.isn = request_isn(req),
	};

	/*
	 * A full queue means a flood; then a request is told when it ends. Where rows are summed,
	 * each request is told then: its own stamp gives the dwell.
	 */
	if (cfg_requests && config_sends_rows() && request_may_be_wanted(req) &&
	    !bpf_map_push_elem(&requests, &pending, 0))
		wake_reader();
	tw_taken_over(PEEK(request_sock, req, __req_common.skc_hash));
}

/*
 * Returns whether a child and its request have the same remote address. For IPv6, skc_daddr cannot
 * be compared: the child has LOOPBACK4_IPV6 there, and a request of 5.10 has what was in the memory
 * before.
 */
static __always_inline bool same_raddr(const struct sock_common *child,
				       const struct sock_common *req)
{
	__u8 one[16], other[16];

	if (PEEK(sock_common, req, skc_family) != AF_INET6)
		return PEEK(sock_common, child, skc_daddr) == PEEK(sock_common, req, skc_daddr);
	if (!bpf_core_field_exists(child->skc_v6_daddr))
		return false;
	addr_read_v6(one, &child->skc_v6_daddr, false);
	addr_read_v6(other, &req->skc_v6_daddr, false);
	return ((__u64 *)one)[0] == ((__u64 *)other)[0] && ((__u64 *)one)[1] == ((__u64 *)other)[1];
}

/*
 * Returns the child that a request ends with: the one that this CPU saw being born, if it has the
 * request's ends; else NULL.
 */
static __always_inline struct child *request_child(const struct request_sock *req)
{
	__u32 zero = 0;
	struct child *child = cfg_handshake ? bpf_map_lookup_elem(&children, &zero) : NULL;
	const struct sock_common *skc;

	if (!child || !child->sock)
		return NULL;
	skc = &((const struct sock *)child->sock)->__sk_common;
	if (PEEK(sock_common, skc, skc_dport) != PEEK(request_sock, req, __req_common.skc_dport) ||
	    PEEK(sock_common, skc, skc_num) != PEEK(request_sock, req, __req_common.skc_num) ||
	    !same_raddr(skc, &req->__req_common))
		return NULL;
	return child;
}

/*
 * Returns what is known under the address of a request. The places of recent sockets have no
 * requests.
 */
static __always_inline struct lifecycle *request_known(__u64 key)
{
	return table_find(key);
}

/* Returns 0, or -ENOENT if another CPU did it before. */
static __always_inline int request_forget(__u64 key)
{
	return table_delete(key);
}

/*
 * Returns whether @l is a mark: the child's own rows are out, and nothing is to be shown any more.
 */
static __always_inline bool request_is_mark(const struct lifecycle *l)
{
	return !l->state;
}

/* Removes a mark that nobody will ask for any more. */
static __always_inline void request_unmark(__u64 key)
{
	if (!request_forget(key))
		__sync_fetch_and_add(&shared.marks, -1);
}

/*
 * An entry belongs to a request only if it began no more than this before the request's SYN-ACK was
 * made.
 */
#define REQUEST_STALE_NS 1000000000ULL

/* Forgets what is known under the address of a request whose end the kernel ran no program for. */
static __always_inline void request_gone(__u64 key)
{
	count(&gaps);
	count(&requests_gone);
	request_forget(key);
}

/*
 * Returns what is known under the address of a request whose SYN-ACK was made at @syn_ns (0: not
 * yet). The entry may be that of an earlier request whose end the kernel ran no program for. Then
 * it is forgotten, and NULL is returned.
 */
static __always_inline struct lifecycle *request_find(__u64 key, __u64 syn_ns)
{
	struct lifecycle *l = request_known(key);

	if (!l || request_is_mark(l) || syn_ns < l->since_ns + REQUEST_STALE_NS)
		return l;
	request_gone(key);
	return NULL;
}

/* Tells the end of a request that led to no connection: SYN_RECV -> CLOSE. */
static __always_inline void request_dropped(__u64 req, const struct sock *listener,
					    const struct endpoint *e, __u64 syn_ns, __u8 reason)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *known = request_find(req, syn_ns), l;
	struct row row = {
		.from = TCPDWELL_SYN_RECV,
		.to = TCPDWELL_CLOSE,
		.time_ns = now_ns,
		.source = TCPDWELL_SOURCE_REQUEST_SOCK,
		.reason = reason,
	};

	/* Before and after the run nothing says which requests a child came of. */
	if (!c || !shared.live || !filter_connection(listener, e, false))
		return;
	if (known && !request_is_mark(known)) {
		l = *known;
		request_forget(req);
	} else {
		/*
		 * Nothing is known of this request. A mark belongs to the request that had the same
		 * memory before; the flush removes it.
		 */
		if (request_floods(now_ns)) {
			request_fold(c, e);
			return;
		}
		l = request_lifecycle(listener, syn_ns ?: now_ns);
		cgroup_match(&l, listener);
		struct row birth = request_birth(l.since_ns);

		count_seen(c);
		decide(c, &birth, e, &l);
	}
	if (BPF_CORE_READ(listener, __sk_common.skc_state) != TCPDWELL_LISTEN)
		row.reason = TCPDWELL_REASON_LISTENER_CLOSED;
	row.dwell = lifecycle_dwell(&l, TCPDWELL_SYN_RECV, now_ns, &row.dwell_ns);
	count_seen(c);
	decide(c, &row, e, &l);
	if (cfg_life)
		life_ended(&row, e, &l, NULL);
}

static __always_inline struct dying_request *dying_request_here(void)
{
	__u32 zero = 0;

	return cfg_requests ? bpf_map_lookup_elem(&dying_requests, &zero) : NULL;
}

static __always_inline bool accept_queue_is_full(const struct sock *listener)
{
	return BPF_CORE_READ(listener, sk_ack_backlog) >
	       BPF_CORE_READ(listener, sk_max_ack_backlog);
}

/*
 * Returns whether the last ACK has come and found no room in the accept queue (tcp_check_req():
 * listen_overflow). With TCP_DEFER_ACCEPT an ACK without data sets the same bit. Then the queue
 * decides, by whether it has room now.
 */
static __always_inline bool request_acked(const struct request_sock *req,
					  const struct sock *listener)
{
	const struct inet_request_sock *ireq = (const struct inet_request_sock *)req;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)listener;

	return BPF_CORE_READ_BITFIELD_PROBED(ireq, acked) &&
	       (!BPF_CORE_READ(icsk, icsk_accept_queue.rskq_defer_accept) ||
		accept_queue_is_full(listener));
}

/*
 * Returns the reason for the end of a request that an RST ended, by whose RST it was; or
 * TCPDWELL_REASON_ABORTED if a process asked for the end. An RST of ours may mean that the accept
 * queue is full.
 */
static __always_inline __u8 request_reset(const struct request_sock *req,
					  const struct sock *listener)
{
	if (!cfg_resets)
		return TCPDWELL_REASON_NONE; /* it may just as well have been our RST */
	if (!reset_is_fresh(listener, &req->__req_common))
		return current_kills() ? TCPDWELL_REASON_ABORTED : TCPDWELL_REASON_RESET_RECEIVED;
	if (accept_queue_is_full(listener))
		return TCPDWELL_REASON_QUEUE_OVERFLOW;
	return TCPDWELL_REASON_RESET_SENT;
}

/*
 * A request is unhashed. Either the last ACK did it, and then a child was born on this CPU a moment
 * ago; or an RST or an ICMP error did.
 */
static __always_inline void request_unhashed(const struct request_sock *req)
{
	struct dying_request *dying = dying_request_here();
	const struct sock *listener;
	struct child *child;
	struct endpoint e;
	__u64 syn_ns;

	if (!ports_pass(&req->__req_common))
		return;
	child = request_child(req);
	if (dying && dying->request == (__u64)req)
		return; /* its own timer's handler did it, and tells when it returns */
	if (child && child->request == (__u64)req)
		return; /* both a function and one that it calls told this */
	if (child) {
		child->request = (__u64)req;
		child->syn_ns = request_syn_ns(req);
		request_completes(req);
		return;
	}
	/* A function and one that it calls may both tell this, or only one of them. */
	syn_ns = request_syn_ns(req);
	if (!dying || (dying->dropped == (__u64)req && dying->dropped_syn_ns == syn_ns))
		return;
	dying->dropped = (__u64)req;
	dying->dropped_syn_ns = syn_ns;
	listener = request_listener(req);
	request_endpoint(&e, req, listener);
	request_dropped((__u64)req, listener, &e, syn_ns, request_reset(req, listener));
}

/*
 * Looks at a request that was hashed at @hashed_ns. If it still waits it is slow, and gets an entry
 * in the map and its first row. Only one of this function and the child's first transition can put
 * something under the request's address, and that one shows the row. It does no harm to look twice.
 *
 * The function takes 160 bytes of stack. Together with its callers and callees it just fits the 512
 * bytes that 5.10 gives to a chain of calls.
 */
__noinline int request_outlasts(__u64 key, __u64 isn, __u64 hashed_ns)
{
	const struct request_sock *req = (const struct request_sock *)key;
	const struct sock *listener;
	struct tcpdwell_transition *t;
	struct tcpdwell_counters *c;
	struct lifecycle *known;
	struct endpoint e;
	bool waits, wanted;

	waits = request_waits(req, isn);
	if (!waits && !shared.marks)
		return 0;
	known = request_find(key, waits ? request_syn_ns(req) : 0);
	if (known) {
		if (request_is_mark(known))
			request_unmark(key);
		return 0;
	}
	if (!waits || config_waits_for_accept() || request_floods(bpf_ktime_get_ns()))
		return 0;
	/* The listener is looked up only where it is needed, so it takes no stack before. */
	endpoint_read_common(&e, &req->__req_common, false);
	listener = request_listener(req);
	listener_endpoint(&e, listener);
	if (!filter_connection(listener, &e, false))
		return 0;

	struct lifecycle l = request_lifecycle(request_listener(req),
					       request_syn_ns(req) ?: hashed_ns);
	struct row row = request_birth(l.since_ns);

	c = counters_here();
	if (!c)
		return 0;
	/*
	 * The record's place in the ring is reserved first: a CPU that finds the request's entry
	 * writes later rows.
	 */
	wanted = row_wanted(&row, &e, &l);
	t = wanted ? ring_reserve(l.id, sizeof(*t)) : NULL;
	if (t)
		record_fill(t, &row, &e, &l);
	if (connection_remember(c, key, &l, BPF_NOEXIST, false)) {
		if (t)
			bpf_ringbuf_discard(t, BPF_RB_NO_WAKEUP);
		return 0;
	}
	count(&c->seen);
	if (t)
		ring_submit(c, t, l.id);
	else
		count(wanted ? &c->lost_ring : &c->filtered);
	return 0;
}

/*
 * Returns whether a request is too young for the flush. Its child reckons from the SYN-ACK. That is
 * made after the hashing, and much later if the task lost its processor in between.
 */
static __always_inline bool request_is_young(const struct pending_request *pending, __u64 now_ns,
					     __u64 min_age_ns)
{
	const struct request_sock *req = (const struct request_sock *)pending->request;
	__u64 syn_ns;

	if (now_ns - pending->time_ns < min_age_ns)
		return true;
	if (!min_age_ns || !request_waits(req, pending->isn))
		return false;
	syn_ns = request_syn_ns(req);
	return !syn_ns || syn_ns + min_age_ns > now_ns;
}

/* Looks at the oldest of the hashed requests. Returns what the flush is to return, 0 to go on. */
__noinline int flush_request(__u64 now_ns, __u64 min_age_ns)
{
	struct pending_request pending = oldest_request;

	if (!cfg_requests || (!pending.request && bpf_map_pop_elem(&requests, &pending)))
		return FLUSH_DONE;
	if (request_is_young(&pending, now_ns, min_age_ns)) {
		oldest_request = pending;
		return TCPDWELL_FLUSH_WAITING;
	}
	oldest_request.request = 0;
	return request_outlasts(pending.request, pending.isn, pending.time_ns);
}

/*
 * Returns whether a request still waits and belongs to listener @key. It is not inlined, to spare
 * its callers' stack.
 */
__noinline int request_is_of(__u64 request, __u32 isn, __u64 key)
{
	const struct request_sock *req = (const struct request_sock *)request;

	return request && request_waits(req, isn) &&
	       sock_key_by_address(request_listener(req)) == key;
}

/*
 * One portion of FLUSH_ITEMS. The verifier goes through each turn of a loop, but through a global
 * function once.
 */
#define OUTLIVE_STRETCH 16
#define OUTLIVE_BEGIN	1 /* in place of the first one's address */

/*
 * Looks at the next requests in the queue. Those of listener @key are taken for slow. The others go
 * to the end of the queue, in the order that they had. The first of these marks the end of the
 * round. If a flush on another CPU takes that one, the number of turns ends the round. Returns the
 * first one's address, or 0 when the round is over. The function takes 32 bytes of stack, which is
 * all that is left (request_outlasts()).
 */
__noinline __u64 outlive_requests(__u64 key, __u64 first)
{
	struct pending_request pending;

	for (int i = 0; cfg_requests && i < OUTLIVE_STRETCH; i++) {
		if (bpf_map_peek_elem(&requests, &pending) || pending.request == first ||
		    bpf_map_pop_elem(&requests, &pending))
			return 0;
		if (request_is_of(pending.request, pending.isn, key)) {
			request_outlasts(pending.request, pending.isn, pending.time_ns);
			continue;
		}
		bpf_map_push_elem(&requests, &pending, 0);
		if (first == OUTLIVE_BEGIN)
			first = pending.request;
	}
	return first;
}

/*
 * Listener @sk, which has @key, closes; @l is what is known of it. Its requests go on until their
 * timers run out, but then nobody can be named for them. So if it has any, those in the queue are
 * taken for slow now. The process that closes the listener is its holder, although the descriptor
 * is gone already. The request that the flush has taken from the queue belongs to the flush, which
 * may run on another CPU; it is looked at and stays.
 */
static __always_inline void requests_outlive(struct lifecycle *l, const struct sock *sk, __u64 key)
{
	const struct pending_request *held = &oldest_request;
	__u64 first = OUTLIVE_BEGIN;

	l->task = 0;
	if (!PEEK(inet_connection_sock, sk, icsk_accept_queue.qlen.counter))
		return;
	shared.early_ns = bpf_ktime_get_ns();
	if (request_is_of(held->request, held->isn, key))
		request_outlasts(held->request, held->isn, held->time_ns);
	for (int i = 0; first && i < FLUSH_ITEMS / OUTLIVE_STRETCH; i++)
		first = outlive_requests(key, first);
}

/*
 * A child's first transition takes over from its request. Returns whether the first row is out
 * already; then @l goes on under the request's identity.
 */
static __always_inline bool request_hand_over(struct tcpdwell_counters *c, struct lifecycle *l,
					      const struct child *child, __u64 now_ns)
{
	const struct lifecycle *known;
	struct lifecycle mark = { .since_ns = now_ns };
	__u64 key = child->request;

	/*
	 * When a listener closes, all its requests count as slow; so do those that a snapshot
	 * finds.
	 */
	if (now_ns - child->syn_ns < REQUEST_SLOW_NS && !shared.scanning &&
	    child->syn_ns > shared.early_ns + REQUEST_SLOW_NS)
		return false;
	known = request_find(key, child->syn_ns);
	if (!known && (!config_sends_rows() || config_waits_for_accept()))
		return false; /* nothing looks for slow requests, so no mark is needed */
	if (!known) {
		int err = connection_remember(c, key, &mark, BPF_NOEXIST, false);

		if (!err)
			__sync_fetch_and_add(&shared.marks, 1);
		if (err != -EEXIST)
			return false;
	}
	known = request_known(key);
	if (!known || request_is_mark(known))
		return false;
	l->id = known->id;
	request_forget(key);
	return true;
}

#endif /* TCPDWELL_REQUEST_BPF_H */
