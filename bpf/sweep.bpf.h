/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sweep. Now and then the kernel runs no program at a transition, and then a connection may end
 * untold. What is remembered of it would stay for ever. The sweep looks through all that is
 * remembered, finds such connections and forgets them. User space starts it once a minute
 * (user/kernel/sweep.c).
 *
 * It can ask a full socket only if its address is remembered. That is not so for a socket that the
 * snapshot found by a descriptor, or whose first rows waited for an owner filter: the space holds
 * something else there.
 */
#ifndef TCPDWELL_SWEEP_BPF_H
#define TCPDWELL_SWEEP_BPF_H

#include "open.bpf.h"
#include "request.bpf.h"

/* Younger entries are left alone: they may be in the making. */
#define SWEEP_NS 2000000000LL

/* The handler of a timer is done by that long after the timer was due. */
#define SWEEP_LATE_NS 1000000000ULL

/* Returns whether the memory of a socket is free. */
static __always_inline bool is_free(const struct sock_common *skc)
{
	return !PEEK(sock_common, skc, skc_refcnt.refs.counter);
}

/*
 * Returns whether the socket of a connection is gone. A full socket's last transition, and a
 * timewait socket's end, are told before its last reference is gone. After that its memory may be
 * another's. Both kinds begin with a struct sock_common, which has the cookie.
 */
static __always_inline bool object_is_gone(const struct lifecycle *l, __u64 key)
{
	const struct sock *sk = (const struct sock *)l->object;

	return sock_key_by_address(sk) != key || is_free(&sk->__sk_common);
}

/*
 * Returns whether a request is gone. The handler of a request's timer frees it, and its end is told
 * only when the handler returns. So a request is left alone if its timer has yet to run out, or ran
 * out just now.
 */
static __always_inline bool request_is_gone(const struct lifecycle *l, __u64 key)
{
	const struct request_sock *req = (const struct request_sock *)key;
	__u64 due;

	if (request_syn_ns(req) > l->since_ns + REQUEST_STALE_NS)
		return true; /* the memory is another request's */
	due = timer_due(PEEK(request_sock, req, rsk_timer.expires),
			PEEK(request_sock, req, rsk_timer.flags));
	return is_free(&req->__req_common) && due + SWEEP_LATE_NS / cfg_tick_ns < bpf_jiffies64();
}

/*
 * Returns whether @l is a request. Where there are cookies, the key of a request is its address,
 * and that of a full socket is not.
 */
static __always_inline bool is_request(const struct lifecycle *l, __u64 key)
{
	return cfg_has_cookie && l->state == TCPDWELL_SYN_RECV && (__s64)key < 0;
}

static __always_inline bool is_too_young(const struct lifecycle *l)
{
	/*
	 * The time may come from another CPU and be a little ahead, so the difference has a sign.
	 */
	return (__s64)(bpf_ktime_get_ns() - l->since_ns) < SWEEP_NS;
}

/*
 * Returns whether the socket is to be looked at: it should exist unless its end was told. If the
 * timer of a timewait socket was taken off, its row is left to the flush.
 */
static __always_inline bool is_to_be_asked(const struct lifecycle *l)
{
	if (l->marks & LIFECYCLE_TW)
		return !(l->marks & LIFECYCLE_PARKED);
	return cfg_has_cookie && lifecycle_has_object(l) && !(l->waits & LIFECYCLE_WAITING);
}

/*
 * Forgets what is remembered under @key if the socket is gone. Removes a mark in any case: if it is
 * still there, the flush never heard of the request, because its queue was full or did not exist
 * yet.
 */
static __always_inline void sweep(__u64 key, const struct lifecycle *l)
{
	if (cfg_life && open_asked) {
		open_tell(key, l);
		return;
	}
	if (is_too_young(l))
		return;
	if (request_is_mark(l)) {
		request_unmark(key);
	} else if (is_request(l, key)) {
		if (request_is_gone(l, key))
			request_gone(key);
	} else if (is_to_be_asked(l) && object_is_gone(l, key)) {
		count(&gaps);
		connection_forget(key);
	}
}

/* Sweeps what is remembered under a key, if there is anything. */
__noinline int sweep_key(__u64 key)
{
	const struct lifecycle *l = key ? connection_find(key) : NULL;

	if (l)
		sweep(key, l);
	return 0;
}

static long sweep_each_connection(struct bpf_map *map, __u64 *key, struct lifecycle *l, void *ctx)
{
	sweep(*key, l);
	return 0;
}

/* Sweeps what is in a slot of recent, if there is anything. */
static __always_inline void sweep_slot(const struct lifecycle *l)
{
	if (l->id && l->id != RECENT_CLAIMED)
		sweep(l->id, l);
}

static long sweep_each_slot(struct bpf_map *map, __u32 *key, struct lifecycle *l, void *ctx)
{
	sweep_slot(l);
	return 0;
}

#endif /* TCPDWELL_SWEEP_BPF_H */
