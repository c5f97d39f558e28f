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

/* Requests that were hashed and may turn out to be slow, oldest first. */
struct hashed_request {
	__u64 request;
	__u64 time_ns;
	__u32 isn; /* of the SYN; it tells a request from a later one at the same address */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 16384);
	__type(value, struct hashed_request);
} requests SEC(".maps");

/* Requests whose end the kernel ran no program for, and of which something was shown. */
__u64 requests_gone;

/*
 * The request that the flush took from the queue and found too young. To take it is cheaper than to
 * look at it now and take it later. Only the flush writes this, and one reader runs the flush. It
 * is static so that the skeleton, which does not know the type, leaves it out.
 */
static struct hashed_request oldest_request;

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
	struct hashed_request hashed = {
		.request = (__u64)req,
		.time_ns = bpf_ktime_get_ns(),
		.isn = request_isn(req),
	};

	/*
	 * A full queue means a flood; then a request is told when it ends. Where nothing is
	 * told earlier, each request is told then: its own stamp gives the dwell.
	 */
	if (cfg_requests && cfg_requests_early && request_may_be_wanted(req) &&
	    !bpf_map_push_elem(&requests, &hashed, 0))
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
 * Returns what is known under the address of a request. The slots of recent sockets have no
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
	if (!known && (!cfg_requests_early || config_waits_for_accept()))
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
