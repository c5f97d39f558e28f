/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that go on: where lives are summed, they are told of as they are now. The sweep does
 * this instead of sweeping when user space asks for it (user/kernel/sweep.c). It also tells of
 * connections that are over without an event.
 */
#ifndef TCPDWELL_OPEN_BPF_H
#define TCPDWELL_OPEN_BPF_H

#include "timewait.bpf.h"

/* Whether open connections are asked for; then nothing is swept. */
volatile __u32 open_asked;

/* Returns whether @l is a connection, and not a listener, a request or a mark. */
static __always_inline bool open_is_connection(const struct lifecycle *l, __u64 key)
{
	if (!l->state || l->state == TCPDWELL_CLOSE || l->state == TCPDWELL_LISTEN)
		return false;
	/* The key of a request is its address; without cookies that is so for all. */
	return !(l->state == TCPDWELL_SYN_RECV && l->marks & LIFECYCLE_OF_REQUEST &&
		 !lifecycle_has_object(l));
}

/* Returns the full socket of a connection that is no timewait socket. */
static __always_inline const struct sock *open_sock(const struct lifecycle *l)
{
	return (const struct sock *)(lifecycle_has_object(l) ? l->object : l->sock);
}

/*
 * Reads the ends. Returns whether the socket is still the same; it may have gone without an event,
 * or since tracing has stopped.
 */
static __always_inline bool open_endpoint(struct endpoint *e, const struct lifecycle *l, __u64 key)
{
	const struct inet_timewait_sock *tw = (const struct inet_timewait_sock *)l->object;
	const struct sock *sk = open_sock(l);
	__u8 state;

	if (l->marks & LIFECYCLE_TW) {
		tw_endpoint(e, tw, l);
		return tw_key(tw) == key;
	}
	endpoint_read(e, sk, false);
	state = PEEK(sock, sk, __sk_common.skc_state);
	return sk && sock_key_by_address(sk) == key && state != TCPDWELL_CLOSE &&
	       state != TCPDWELL_LISTEN && filter_connection(sk, e, false);
}

/*
 * An orphan's timewait socket may have left FIN_WAIT2 without an event. Returns whether it has, and
 * whether the connection was told of by that.
 */
static __always_inline bool open_flip(const struct endpoint *e, __u64 key)
{
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = cfg_poll_timewait ? connection_find(key) : NULL;
	const struct inet_timewait_sock *tw;

	if (!c || !l || !(l->marks & LIFECYCLE_TW) || l->marks & LIFECYCLE_PARKED)
		return false;
	tw = (const struct inet_timewait_sock *)l->object;
	return tw_flipped(tw, l) &&
	       tw_flip_by_timer(c, e, key, l, tw_armed_ns(tw, bpf_ktime_get_ns()));
}

static __noinline int open_tell(__u64 key, const struct lifecycle *l)
{
	struct row row = { .from = l->state, .time_ns = bpf_ktime_get_ns() };
	const struct sock *sk = NULL;
	struct endpoint e;

	if (!open_is_connection(l, key) || !open_endpoint(&e, l, key) || open_flip(&e, key))
		return 0;
	if (lifecycle_dwell(l, row.from, row.time_ns, &row.dwell_ns))
		row.dwell = TCPDWELL_DWELL_AT_LEAST;
	if (!(l->marks & LIFECYCLE_TW)) {
		sk = open_sock(l);
		holder_ask(l, sk, key, row.from, TCPDWELL_CLOSE);
	}
	life_goes_on(&row, &e, l, life_find(key), sk);
	if (shared.over)
		connection_forget(key); /* what becomes of it is no part of the run */
	return 0;
}

#endif /* TCPDWELL_OPEN_BPF_H */
