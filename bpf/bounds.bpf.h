/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a socket's own stamps say about when it entered its state and when data last went through
 * it: two bounds for each (bounds.h). This is for sockets that were there before the tracer.
 */
#ifndef TCPDWELL_BOUNDS_BPF_H
#define TCPDWELL_BOUNDS_BPF_H

#include "bounds.h"
#include "timewait.bpf.h"

/*
 * When a socket entered its state, and when data last went through it. Only the one thread that
 * reads the iterators uses this.
 */
struct {
	__u64 state[2]; /* latest and earliest, as in struct bounds */
	__u64 active[2];
} snapshot_times;

/*
 * Returns the latest time that a stamp in jiffies can mean; 0 if there is no stamp. A stamp says
 * which tick it was, and now is somewhere in the current tick, so one of the ticks between them is
 * not whole. 32 bits wrap around in 49 days at the earliest. An older stamp then looks younger,
 * which keeps the bound true. A stamp in the future gives a time, too.
 */
__noinline __u64 jiffies_ns(__u32 stamp, __u64 now_ns)
{
	__s32 past = (__u32)bpf_jiffies64() - stamp;

	if (!stamp)
		return 0;
	if (past <= 1)
		return now_ns + (__u64)(1 - past) * cfg_tick_ns;
	return (__u64)(past - 1) * cfg_tick_ns < now_ns ? now_ns - (past - 1) * cfg_tick_ns : 0;
}

/* Converts a stamp in microseconds of CLOCK_MONOTONIC (tcp_mstamp_refresh()). */
static __always_inline __u64 mstamp_ns(__u64 us)
{
	return us * 1000;
}

/*
 * Returns the latest time that tcp_sock.retrans_stamp can mean; 0 if it is not known. The stamp is
 * in milliseconds, or in microseconds if the route asks for such time stamps (6.7).
 */
__noinline __u64 retrans_ns(__u64 address, __u64 now_ns)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)address;
	__u32 stamp = BPF_CORE_READ(tp, retrans_stamp), past;
	__u64 unit_ns = 1000000;

	if (bpf_core_field_exists(tp->tcp_usec_ts) &&
	    BPF_CORE_READ_BITFIELD_PROBED(tp, tcp_usec_ts))
		unit_ns = 1000;
	past = (__u32)(now_ns / unit_ns) - stamp;
	if (!stamp || (__s32)past <= 1 || (past - 1) * unit_ns >= now_ns)
		return 0;
	return now_ns - (past - 1) * unit_ns;
}

/*
 * Returns when the retransmission timer is due, or was, in jiffies. The member moved in 6.18 and in
 * 6.19.
 */
static __always_inline __u32 retransmission_due(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;

	if (bpf_core_field_exists(icsk->icsk_timeout))
		return BPF_CORE_READ(icsk, icsk_timeout);
	if (bpf_core_field_exists(icsk->icsk_retransmit_timer))
		return BPF_CORE_READ(icsk, icsk_retransmit_timer.expires);
	if (bpf_core_field_exists(sk->tcp_retransmit_timer))
		return BPF_CORE_READ(sk, tcp_retransmit_timer.expires);
	return 0;
}

/* As many levels as a tree of 2^16 segments can have, which is twice the logarithm of that. */
#define FLIGHT_LEVELS 32

/* Returns when the newest segment in flight was last sent; 0: there is none, or it is not found. */
__noinline __u64 flight_tail_ns(__u64 address)
{
	const struct sock *sk = (const struct sock *)address;
	struct rb_node *node = BPF_CORE_READ(sk, tcp_rtx_queue.rb_node), *right;
	const struct sk_buff *skb;

	for (int i = 0; i < FLIGHT_LEVELS && node; i++) {
		right = BPF_CORE_READ(node, rb_right);
		if (!right) {
			skb = (void *)node - bpf_core_field_offset(struct sk_buff, rbnode);
			return BPF_CORE_READ(skb, skb_mstamp_ns);
		}
		node = right;
	}
	return 0;
}

/*
 * Returns whether it is a fast open: a client's SYN comes later than its state, or data of a
 * server's child earlier.
 */
static __always_inline bool is_fast_open(const struct tcp_sock *tp)
{
	if (BPF_CORE_READ(tp, fastopen_rsk) || BPF_CORE_READ_BITFIELD_PROBED(tp, fastopen_connect))
		return true;
	return !bpf_core_field_exists(tp->syn_fastopen_child) ||
	       BPF_CORE_READ_BITFIELD_PROBED(tp, syn_fastopen_child);
}

__noinline __u32 bounds_flags(__u64 address)
{
	const struct sock *sk = (const struct sock *)address;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u32 in_flight = BPF_CORE_READ(tp, packets_out);
	__u32 unacked = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);
	__u32 flags = 0;

	if (in_flight)
		flags |= BOUNDS_IN_FLIGHT;
	if (in_flight == 1 && unacked == 1)
		flags |= BOUNDS_FIN_ALONE;
	if (unacked)
		flags |= BOUNDS_UNACKED;
	if (BPF_CORE_READ(icsk, icsk_retransmits))
		flags |= BOUNDS_RETRANSMITS;
	if (BPF_CORE_READ(tp, total_retrans))
		flags |= BOUNDS_RETRANSMITTED;
	if (!BPF_CORE_READ(tp, data_segs_out))
		flags |= BOUNDS_NONE_SENT;
	if (!BPF_CORE_READ(tp, data_segs_in))
		flags |= BOUNDS_NONE_RECEIVED;
	if (is_fast_open(tp))
		flags |= BOUNDS_FAST_OPEN;
	if (BPF_CORE_READ(sk, __sk_common.skc_dport))
		flags |= BOUNDS_CONNECTED;
	return flags;
}

/*
 * What follows from the facts about a socket. The facts are not an argument: the verifier would
 * walk through these functions for each combination of facts.
 */
static struct bounds_facts bounds_facts;

__noinline int bounds_write_state(void)
{
	struct bounds bounds = bounds_state(&bounds_facts);

	snapshot_times.state[0] = bounds.latest_ns;
	snapshot_times.state[1] = bounds.earliest_ns;
	return 0;
}

__noinline int bounds_write_active(void)
{
	struct bounds bounds = bounds_active(&bounds_facts);

	snapshot_times.active[0] = bounds.latest_ns;
	snapshot_times.active[1] = bounds.earliest_ns;
	return 0;
}

/* Writes the bounds of a full socket to snapshot_times. */
__noinline int bounds_read(__u64 address, __u64 now_ns, __u32 state)
{
	const struct sock *sk = (const struct sock *)address;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct bounds_facts *f = &bounds_facts;

	__builtin_memset(&snapshot_times, 0, sizeof(snapshot_times));
	if (state == TCPDWELL_LISTEN)
		return 0;
	__builtin_memset(f, 0, sizeof(*f));
	f->now_ns = now_ns;
	f->grain_ns = 2 * cfg_tick_ns;
	f->state = state;
	f->segment_ns = mstamp_ns(BPF_CORE_READ(tp, tcp_mstamp));
	f->sent_ns = jiffies_ns(BPF_CORE_READ(tp, lsndtime), now_ns);
	f->received_ns = jiffies_ns(BPF_CORE_READ(icsk, icsk_ack.lrcvtime), now_ns);
	f->acked_ns = jiffies_ns(BPF_CORE_READ(tp, rcv_tstamp), now_ns);
	f->delivered_ns = mstamp_ns(BPF_CORE_READ(tp, delivered_mstamp));
	f->first_ns = retrans_ns(address, now_ns);
	f->opened_ns = mstamp_ns(BPF_CORE_READ(tp, rcvq_space.time));
	f->timer_ns = jiffies_ns(retransmission_due(sk), now_ns);
	f->flags = bounds_flags(address);
	f->tail_ns = flight_tail_ns(address);
	bounds_write_state();
	if (state == TCPDWELL_ESTABLISHED || state == TCPDWELL_CLOSE_WAIT ||
	    state == TCPDWELL_FIN_WAIT2)
		bounds_write_active();
	return 0;
}

/*
 * Returns the time of tw_entry_stamp, in milliseconds (6.14); 0 if the kernel has none. It is the
 * time of the last segment before the timewait socket was made. If the peer sends time stamps, it
 * becomes that of the segment that led to TIME_WAIT.
 */
static __always_inline __u64 timewait_entry_ns(const struct inet_timewait_sock *tw, __u64 now_ns)
{
	__u32 past_ms;

	if (!bpf_core_field_exists(tw->tw_entry_stamp))
		return 0;
	past_ms = (__u32)(now_ns / 1000000) - BPF_CORE_READ(tw, tw_entry_stamp);
	return now_ns / 1000000 * 1000000 - past_ms * 1000000ULL;
}

/*
 * Returns the bounds of when a timewait socket entered its state. In TIME_WAIT its timer was armed
 * for 60 s, on entry and by each segment since. In FIN_WAIT2 it is not kept for how long the timer
 * was armed.
 */
static __always_inline struct bounds tw_bounds(const struct inet_timewait_sock *tw, __u8 state,
					       __u64 now_ns)
{
	__u64 left, armed_ns = 0, armed_for = TIMEWAIT_SECONDS * 1000000000ULL / cfg_tick_ns;

	left = BPF_CORE_READ(tw, tw_timer.expires) - bpf_jiffies64();
	/*
	 * One tick for each end, as in jiffies_ns(). Beyond 60 s, or if the timer ran out, nothing
	 * is known.
	 */
	if (left + 1 < armed_for && (armed_for - left - 1) * cfg_tick_ns < now_ns)
		armed_ns = now_ns - (armed_for - left - 1) * cfg_tick_ns;
	return bounds_timewait(state, armed_ns, timewait_entry_ns(tw, now_ns), now_ns);
}

#endif /* TCPDWELL_BOUNDS_BPF_H */
