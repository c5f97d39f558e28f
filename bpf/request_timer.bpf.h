/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The timers of requests: what happens when one runs out, and the backend that knows requests by
 * their timers alone.
 */
#ifndef TCPDWELL_REQUEST_TIMER_BPF_H
#define TCPDWELL_REQUEST_TIMER_BPF_H

#include "request_end.bpf.h"

/* Armed timers of requests, for the timer backend. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tcpdwell_timers);
} request_timers SEC(".maps");

/* The current second as struct tcpdwell_timers counts, when the flush ran last. */
__u32 timer_second;

/*
 * Returns the bucket in which the request of a closed listener is to be found if it was moved to
 * another listener. The kernel makes a new request with the same ends then
 * (net.ipv4.tcp_migrate_req, 5.14). Returns 0 if the table cannot be found, as from 5.17 to 6.0, or
 * if the listener still listens.
 */
static __always_inline __u64 request_bucket(const struct request_sock *req,
					    const struct sock *listener)
{
	const struct net *net = PEEK(request_sock, req, __req_common.skc_net.net);

	if (!bpf_core_field_exists(net->ipv4.tcp_death_row.hashinfo) ||
	    PEEK(sock, listener, __sk_common.skc_state) == TCPDWELL_LISTEN)
		return 0;
	return (__u64)ehash_bucket(net, PEEK(request_sock, req, __req_common.skc_hash));
}

/*
 * Returns the request in @bucket that was made by a SYN with @isn from @rport; 0 if there is none.
 * It is a global function, so the verifier looks at it once, not at each call.
 */
__noinline __u64 request_in_bucket(__u64 bucket, __u32 isn, __u32 rport)
{
	__u64 node = chain_first((const struct inet_ehash_bucket *)bucket);

	for (int i = 0; i < EHASH_STEPS; i++) {
		const struct sock_common *skc = chain_step(&node);

		if (!skc)
			break;
		if (PEEK(sock_common, skc, skc_state) == TCP_NEW_SYN_RECV &&
		    bpf_ntohs(PEEK(sock_common, skc, skc_dport)) == rport &&
		    request_isn((const struct request_sock *)skc) == isn)
			return (__u64)skc;
	}
	return 0;
}

/* What is known of @req goes on with @moved, the request that replaces it at another listener. */
static __always_inline void request_moves(__u64 req, __u64 moved)
{
	struct tcpdwell_counters *c = counters_here();
	const struct lifecycle *known = request_known(req);
	const struct sock *listener;
	struct lifecycle l;

	if (!c || !known || request_is_mark(known))
		return;
	listener = request_listener((const struct request_sock *)moved);
	l = request_lifecycle(listener, known->since_ns);
	cgroup_match(&l, listener);
	l.id = known->id;
	l.since = known->since;
	l.marks |= known->marks;
	request_forget(req);
	connection_remember(c, moved, &l, BPF_NOEXIST, false);
}

/* The request's timer runs out: the handler will send the SYN-ACK again, or give up. */
static __always_inline void request_timer_runs(const struct request_sock *req)
{
	struct dying_request *dying = dying_request_here();

	if (!dying)
		return;
	if (request_may_be_wanted(req))
		wake_for_listeners();
	dying->request = (__u64)req;
	dying->listener = (__u64)request_listener(req);
	dying->syn_ns = request_syn_ns(req);
	dying->isn = request_isn(req);
	dying->acked = request_acked(req, (const struct sock *)dying->listener);
	dying->bucket = request_bucket(req, (const struct sock *)dying->listener);
	request_endpoint(&dying->e, req, (const struct sock *)dying->listener);
}

/*
 * The handler has returned. A request that is not waiting again is gone, and its memory may be
 * reused.
 */
static __always_inline void request_timer_ran(void)
{
	struct dying_request *dying = dying_request_here();
	const struct request_sock *req;
	__u64 moved;

	if (!dying || !dying->request)
		return;
	req = (const struct request_sock *)dying->request;
	dying->request = 0;
	if (request_waits(req, dying->isn))
		return;
	moved = dying->bucket ? request_in_bucket(dying->bucket, dying->isn, dying->e.rport) : 0;
	if (moved) {
		request_moves((__u64)req, moved);
		return;
	}
	request_dropped((__u64)req, (const struct sock *)dying->listener, &dying->e, dying->syn_ns,
			dying->acked ? TCPDWELL_REASON_QUEUE_OVERFLOW : TCPDWELL_REASON_TIMEOUT);
}

/* Returns the second that struct tcpdwell_timers counts a timer under. */
static __always_inline __u32 second_of(__u64 jiffies)
{
	return jiffies * cfg_tick_ns >> 30;
}

/*
 * Counts a timer that is armed or taken off, both under the time when it is due. Sums have no use
 * for this.
 */
static __always_inline void request_timer_count(const struct timer_list *timer, int change)
{
	__u32 zero = 0, second = second_of(timer_due(timer->expires, timer->flags));
	struct tcpdwell_timers *timers;

	if (!cfg_reqsk_timer_handler || !cfg_requests_early || !shared.live)
		return;
	timers = bpf_map_lookup_elem(&request_timers, &zero);
	if (timers)
		__sync_fetch_and_add(&timers->armed[second % TCPDWELL_TIMER_SECONDS], change);
}

/*
 * For the timer backend. When the timer is armed for the first time, the request has just been
 * hashed. The timer is armed again by its own handler, on this CPU, or because the SYN came again
 * (tcp_check_req(): mod_timer_pending()), which takes it off first. In other cases it is taken off
 * early after the request was unhashed.
 */
static __always_inline void request_timer_started(const struct request_sock *req,
						  const struct timer_list *timer)
{
	struct dying_request *dying = dying_request_here();

	if (!dying || !ports_pass(&req->__req_common))
		return;
	request_timer_count(timer, 1);
	if (dying->request != (__u64)req)
		request_hashed(req);
}

/*
 * The timer is taken off. That also happens when it runs out (detach_timer()). Then the request is
 * still hashed, and another event tells of it. Whoever takes the timer off for good has unhashed
 * the request before.
 */
static __always_inline void request_timer_cancelled(const struct request_sock *req,
						    const struct timer_list *timer)
{
	if (!ports_pass(&req->__req_common))
		return;
	request_timer_count(timer, -1);
	if (!PEEK(request_sock, req, __req_common.skc_nulls_node.pprev))
		request_unhashed(req);
}

#endif /* TCPDWELL_REQUEST_TIMER_BPF_H */
