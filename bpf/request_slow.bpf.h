/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Requests that are not completed within a flush's time. Only these are told while they last; the
 * SYN_RECV of the others is told when their child is born.
 */
#ifndef TCPDWELL_REQUEST_SLOW_BPF_H
#define TCPDWELL_REQUEST_SLOW_BPF_H

#include "request.bpf.h"

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
static __always_inline bool request_is_young(const struct hashed_request *hashed, __u64 now_ns,
					     __u64 min_age_ns)
{
	const struct request_sock *req = (const struct request_sock *)hashed->request;
	__u64 syn_ns;

	if (now_ns - hashed->time_ns < min_age_ns)
		return true;
	if (!min_age_ns || !request_waits(req, hashed->isn))
		return false;
	syn_ns = request_syn_ns(req);
	return !syn_ns || syn_ns + min_age_ns > now_ns;
}

/* Looks at the oldest of the hashed requests. Returns what the flush is to return, 0 to go on. */
__noinline int flush_request(__u64 now_ns, __u64 min_age_ns)
{
	struct hashed_request hashed = oldest_request;

	if (!cfg_requests || (!hashed.request && bpf_map_pop_elem(&requests, &hashed)))
		return FLUSH_DONE;
	if (request_is_young(&hashed, now_ns, min_age_ns)) {
		oldest_request = hashed;
		return TCPDWELL_FLUSH_WAITING;
	}
	oldest_request.request = 0;
	return request_outlasts(hashed.request, hashed.isn, hashed.time_ns);
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
	struct hashed_request hashed;

	for (int i = 0; cfg_requests && i < OUTLIVE_STRETCH; i++) {
		if (bpf_map_peek_elem(&requests, &hashed) || hashed.request == first ||
		    bpf_map_pop_elem(&requests, &hashed))
			return 0;
		if (request_is_of(hashed.request, hashed.isn, key)) {
			request_outlasts(hashed.request, hashed.isn, hashed.time_ns);
			continue;
		}
		bpf_map_push_elem(&requests, &hashed, 0);
		if (first == OUTLIVE_BEGIN)
			first = hashed.request;
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
	const struct hashed_request *oldest = &oldest_request;
	__u64 first = OUTLIVE_BEGIN;

	l->task = 0;
	if (!PEEK(inet_connection_sock, sk, icsk_accept_queue.qlen.counter))
		return;
	shared.early_ns = bpf_ktime_get_ns();
	if (request_is_of(oldest->request, oldest->isn, key))
		request_outlasts(oldest->request, oldest->isn, oldest->time_ns);
	for (int i = 0; first && i < FLUSH_ITEMS / OUTLIVE_STRETCH; i++)
		first = outlive_requests(key, first);
}

#endif /* TCPDWELL_REQUEST_SLOW_BPF_H */
