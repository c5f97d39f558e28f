/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ends waits that no event ends. The reader runs the flush every few tens of milliseconds. */
#ifndef TCPDWELL_FLUSH_BPF_H
#define TCPDWELL_FLUSH_BPF_H

#include "deferred.bpf.h"
#include "parked.bpf.h"
#include "request_slow.bpf.h"
#include "request_timer.bpf.h"
#include "timewait.bpf.h"

/*
 * A run of the flush looks at FLUSH_ITEMS of each kind, and at more orphans, because it asks each
 * orphan again until it flips. Each kind is done in portions, by a function of numbers. The
 * verifier walks through every turn of a loop, but only once through a function whose arguments are
 * numbers.
 */
#define FLUSH_RUN	  16
#define FLUSH_ORPHANS	  32
#define FLUSH_ORPHAN_RUNS 32

/*
 * How long a task may be kept from its processor in the middle of connect(), between the transition
 * and the choice of the port. A row without the port would stay wrong; a row that comes late is not
 * wrong.
 */
#define PORT_WAIT_NS 1000000000ULL

/* Looks at one of the connections whose first row waits for the local port. */
__noinline int flush_deferred_one(__u64 key, __u64 now_ns, __u64 min_age_ns)
{
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = connection_find(key);
	const struct sock *sk;
	struct endpoint e;
	__u64 age_ns;

	if (!c || !l || !(l->waits & LIFECYCLE_DEFERRED))
		return 0;
	age_ns = now_ns - l->since_ns;
	/* The port is read before the wait is ended: afterwards the socket may be another's. */
	sk = (const struct sock *)l->object;
	endpoint_read(&e, sk, false);
	if (age_ns < min_age_ns || (!e.lport && min_age_ns && age_ns < PORT_WAIT_NS))
		return TCPDWELL_FLUSH_WAITING;
	if (deferred_over(l, key, true))
		release_deferred(c, sk, &e, l);
	return 0;
}

/*
 * Each run releases the oldest rows of its kind. It returns 0 to go on, or what flush_all() is to
 * return.
 */
__noinline int flush_deferred_run(__u64 now_ns, __u64 min_age_ns)
{
	for (int i = 0; i < FLUSH_RUN; i++) {
		struct deferral *at = deferred_slot(deferred_ends.oldest);
		__u64 key;

		if (!at || deferred_ends.oldest == deferred_ends.next)
			return FLUSH_DONE;
		key = at->key;
		order_mostly(true); /* sees what was published before the key */
		if (!key || (key != DEFERRED_OVER && flush_deferred_one(key, now_ns, min_age_ns)))
			return TCPDWELL_FLUSH_WAITING;
		at->key = 0;
		order_mostly(true); /* whoever is given the slot finds it empty */
		deferred_ends.oldest++;
	}
	return 0;
}

__noinline int flush_request_run(__u64 now_ns, __u64 min_age_ns)
{
	int one = 0;

	for (int i = 0; i < FLUSH_RUN && !one; i++)
		one = flush_request(now_ns, min_age_ns);
	return one;
}

__noinline int flush_parked_run(__u64 now_ns, __u64 min_age_ns)
{
	int one = 0;

	for (int i = 0; i < FLUSH_RUN && !one; i++)
		one = flush_parked(now_ns, min_age_ns);
	return one;
}

__noinline int flush_orphan_run(__u64 now_ns)
{
	int one = 0;

	for (int i = 0; i < FLUSH_ORPHANS && !one; i++)
		one = flush_orphan(now_ns);
	return one;
}

/*
 * Releases what has waited for @min_age_ns or more, the oldest of each kind first. Returns
 * TCPDWELL_FLUSH_AGAIN if there is more to do, and TCPDWELL_FLUSH_WAITING if something waits that
 * is too young.
 */
static __always_inline int flush_all(__u64 min_age_ns, const bool atomic)
{
	__u64 now_ns = bpf_ktime_get_ns();
	int answer = 0, one = 0;

	if (atomic && cfg_defer_connect) {
		for (int i = 0; i < FLUSH_ITEMS / FLUSH_RUN && !one; i++)
			one = flush_deferred_run(now_ns, min_age_ns);
		answer |= one ?: TCPDWELL_FLUSH_AGAIN;
	}
	if (cfg_reqsk_timer_handler)
		timer_second = second_of(bpf_jiffies64());
	if (cfg_requests) {
		one = 0;
		for (int i = 0; i < FLUSH_ITEMS / FLUSH_RUN && !one; i++)
			one = flush_request_run(now_ns, min_age_ns);
		answer |= one ?: TCPDWELL_FLUSH_AGAIN;
	}
	if (cfg_poll_timewait) {
		flush_runs++;
		one = 0;
		for (int i = 0; i < FLUSH_ITEMS / FLUSH_RUN && !one; i++)
			one = flush_parked_run(now_ns, min_age_ns);
		answer |= one ?: TCPDWELL_FLUSH_AGAIN;
		one = 0;
		for (int i = 0; i < FLUSH_ORPHAN_RUNS && !one; i++)
			one = flush_orphan_run(now_ns);
		answer |= one ? 0 : TCPDWELL_FLUSH_WAITING;
	}
	return answer & TCPDWELL_FLUSH_AGAIN ? TCPDWELL_FLUSH_AGAIN :
					       answer & TCPDWELL_FLUSH_WAITING;
}

#endif /* TCPDWELL_FLUSH_BPF_H */
