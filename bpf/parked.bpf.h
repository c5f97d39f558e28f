/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Timewait sockets whose timer was taken off early. Each one either ends or is armed again, and the
 * row of its end is parked until it is known which.
 */
#ifndef TCPDWELL_PARKED_BPF_H
#define TCPDWELL_PARKED_BPF_H

#include "timewait.bpf.h"

/* The parked timewait sockets, oldest first. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 8192);
	__type(value, struct parked_tw);
} parked SEC(".maps");

/*
 * The one that the flush took from the queue and found too young; as oldest_request in
 * request.bpf.h.
 */
static struct parked_tw oldest_parked;

/*
 * The timer backend sees that a timer is taken off early, but not by whom. Either it is armed again
 * at once (mod_timer_pending()), or the timewait socket ends. Only later it shows which, and then
 * its memory may be another's. So the row that may be due is put aside.
 */
static __always_inline void tw_cancelled(struct inet_timewait_sock *tw, __u64 due)
{
	struct tcpdwell_counters *c = counters_here();
	struct tw_slot *slot = tw_slot_here();
	struct parked_tw parked_tw = {};
	struct lifecycle *l;
	__u32 reason;

	if (!c || !slot || due <= bpf_jiffies64())
		return; /* it runs out, and another event tells of that */
	l = tw_find(tw);
	if (!l)
		return;
	parked_tw.key = tw_key(tw);
	parked_tw.time_ns = bpf_ktime_get_ns();
	tw_endpoint(&parked_tw.e, tw, l);
	if (tw_flipped(tw, l)) {
		parked_tw.flip_ns = tw_armed_ns(tw, parked_tw.time_ns);
		/*
		 * It was not armed for TIME_WAIT yet: that is about to happen, or it happened when
		 * last parked.
		 */
		if (parked_tw.flip_ns + TICKS_NS < l->since_ns || l->marks & LIFECYCLE_PARKED) {
			if (tw_flip(c, &parked_tw.e, parked_tw.key, l, parked_tw.time_ns))
				return;
			parked_tw.flip_ns = 0;
		} else if (parked_tw.flip_ns < l->since_ns) {
			/*
			 * It was armed for TIME_WAIT within the jiffy of its birth, or it is yet to
			 * be. In the latter case tw_armed() tells when.
			 */
			parked_tw.flip_ns = l->since_ns;
		}
	}
	reason = tw_end_reason(tw);
	if (reason == TCPDWELL_REASON_NONE) {
		parked_tw.reason = tw_reset_reason(tw, slot, l, parked_tw.flip_ns);
		slot->parked_key = parked_tw.key;
		slot->parked_hash = PEEK(inet_timewait_sock, tw, __tw_common.skc_hash);
		l->marks |= LIFECYCLE_PARKED;
		__sync_fetch_and_add(&l->waits, LIFECYCLE_COUNT);
		parked_tw.parkings = l->waits / LIFECYCLE_COUNT;
		if (cfg_poll_timewait && !bpf_map_push_elem(&parked, &parked_tw, 0)) {
			wake_reader();
			return;
		}
		reason = parked_tw.reason; /* no room to wait and see */
	}
	if (parked_tw.flip_ns &&
	    tw_flip_by_timer(c, &parked_tw.e, parked_tw.key, l, parked_tw.flip_ns))
		return;
	tw_close(c, &parked_tw.e, parked_tw.key, l, parked_tw.time_ns, reason);
}

/*
 * The SYN that made a request may have the same ends as the timewait socket that this CPU has just
 * parked. Then that one was reused.
 */
static __always_inline void tw_taken_over(__u32 hash)
{
	struct tw_slot *slot = tw_slot_here();
	struct lifecycle *l;

	if (!slot || !slot->parked_key || slot->parked_hash != hash)
		return;
	l = connection_find(slot->parked_key);
	if (l)
		l->marks |= LIFECYCLE_REUSED;
	slot->parked_key = 0;
}

/*
 * Nothing has told whether the timer of a parked timewait socket was armed again, so the timer
 * itself is asked. The memory may have been given to another socket. The timer of a timewait socket
 * that is gone is not armed.
 */
static __always_inline bool parked_goes_on(struct tcpdwell_counters *c, struct lifecycle *l,
					   const struct parked_tw *one)
{
	const struct inet_timewait_sock *tw = (const struct inet_timewait_sock *)l->object;

	if (tw_key(tw) != one->key || !PEEK(inet_timewait_sock, tw, tw_timer.entry.pprev))
		return false;
	l->marks &= ~LIFECYCLE_PARKED;
	if (one->flip_ns && l->state == TCPDWELL_FIN_WAIT2)
		/* It was armed again for TIME_WAIT then. */
		tw_flip(c, &one->e, one->key, l, one->time_ns);
	return true;
}

/* Looks at the oldest of the parked ones. Returns what the flush is to return, 0 to go on. */
__noinline int flush_parked(__u64 now_ns, __u64 min_age_ns)
{
	struct tcpdwell_counters *c = counters_here();
	struct parked_tw one = oldest_parked;
	struct lifecycle *l;

	if (!c || !cfg_poll_timewait || (!one.key && bpf_map_pop_elem(&parked, &one)))
		return FLUSH_DONE;
	if (now_ns - one.time_ns < min_age_ns) {
		oldest_parked = one;
		return TCPDWELL_FLUSH_WAITING;
	}
	oldest_parked.key = 0;
	l = connection_find(one.key);
	if (!l || !(l->marks & LIFECYCLE_PARKED) || one.parkings != l->waits / LIFECYCLE_COUNT)
		return 0; /* it was armed again */
	if (cfg_seek_timewait && parked_goes_on(c, l, &one))
		return 0;
	if (one.flip_ns && l->state == TCPDWELL_FIN_WAIT2 &&
	    tw_flip_by_timer(c, &one.e, one.key, l, one.flip_ns))
		return 0;
	tw_close(c, &one.e, one.key, l, one.time_ns,
		 l->marks & LIFECYCLE_REUSED ? TCPDWELL_REASON_TIMEWAIT_REUSED : one.reason);
	return 0;
}

#endif /* TCPDWELL_PARKED_BPF_H */
