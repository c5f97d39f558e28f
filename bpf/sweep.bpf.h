/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Now and then the kernel runs no program at a transition, and so a connection may end untold. What
 * is remembered of it would stay for ever. The sweep looks through all that is remembered, finds
 * such connections and forgets them; user space starts it once a minute (user/kernel/sweep.c).
 *
 * It can only ask a full socket whose address is remembered. The address is not remembered of a
 * socket that the snapshot found by a descriptor, nor of one whose first rows waited for an owner
 * filter: the space is used for something else there.
 */
#ifndef TCPDWELL_SWEEP_BPF_H
#define TCPDWELL_SWEEP_BPF_H

#include "open.bpf.h"
#include "request.bpf.h"

/* Younger ones are left: they may just be made. */
#define SWEEP_NS 2000000000LL

/* A timer's handler is done that long after it was due. */
#define SWEEP_LATE_NS 1000000000ULL

/* Whether its memory is free. */
static __always_inline bool is_free(const struct sock_common *skc)
{
	return !PEEK(sock_common, skc, skc_refcnt.refs.counter);
}

/*
 * A full socket's last transition, and a timewait socket's end, are told before its last reference
 * is gone; then its memory may be another's. Both begin with a struct sock_common, the cookie in
 * it.
 */
static __always_inline bool object_is_gone(const struct lifecycle *l, __u64 key)
{
	const struct sock *sk = (const struct sock *)l->object;

	return sock_key_by_address(sk) != key || is_free(&sk->__sk_common);
}

/*
 * The handler of a request's timer frees it, and only when that returns is its end told: so one is
 * left whose timer is yet to run out, or has done so just now.
 */
static __always_inline bool request_is_gone(const struct lifecycle *l, __u64 key)
{
	const struct request_sock *req = (const struct request_sock *)key;
	__u64 due;

	if (request_syn_ns(req) > l->since_ns + REQUEST_STALE_NS)
		return true; /* its memory is another's */
	due = timer_due(PEEK(request_sock, req, rsk_timer.expires),
			PEEK(request_sock, req, rsk_timer.flags));
	return is_free(&req->__req_common) && due + SWEEP_LATE_NS / cfg_tick_ns < bpf_jiffies64();
}

/* Where there are cookies, a request has its address for a key, and a full socket has not. */
static __always_inline bool is_request(const struct lifecycle *l, __u64 key)
{
	return cfg_has_cookie && l->state == TCPDWELL_SYN_RECV && (__s64)key < 0;
}

static __always_inline bool is_too_young(const struct lifecycle *l)
{
	/* Its time may be another CPU's, and a little ahead: the difference has a sign. */
	return (__s64)(bpf_ktime_get_ns() - l->since_ns) < SWEEP_NS;
}

/*
 * Whether its socket should be there, or its end told. Of a timewait socket whose timer was taken
 * off the row is left to the flush.
 */
static __always_inline bool is_to_be_asked(const struct lifecycle *l)
{
	if (l->marks & LIFECYCLE_TW)
		return !(l->marks & LIFECYCLE_PARKED);
	return cfg_has_cookie && lifecycle_has_object(l) && !(l->waits & LIFECYCLE_WAITING);
}

/*
 * What is remembered under @key is forgotten if that is gone; the mark of a request that the flush
 * never heard of, as its queue was full or not there yet, in any case.
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

/* What is remembered under a key, if anything is yet. */
__noinline int sweep_key(__u64 key)
{
	const struct lifecycle *l = key ? connection_find(key) : NULL;

	if (l)
		sweep(key, l);
	return 0;
}

#endif /* TCPDWELL_SWEEP_BPF_H */
