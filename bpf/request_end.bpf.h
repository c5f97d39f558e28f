/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The end of a request, by whichever backend it is seen: a child takes its place, or it is dropped.
 */
#ifndef TCPDWELL_REQUEST_END_BPF_H
#define TCPDWELL_REQUEST_END_BPF_H

#include "request.bpf.h"
#include "reset.bpf.h"

/* The request whose timer runs out on this CPU: what is to be told if it does not survive that. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dying_request);
} dying_requests SEC(".maps");

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

#endif /* TCPDWELL_REQUEST_END_BPF_H */
