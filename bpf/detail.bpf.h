/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a socket waits for, and what the process told it to do in that case: its timer, its queues,
 * its options (struct tcpdwell_detail). It is read only if the command asks for it.
 */
#ifndef TCPDWELL_DETAIL_BPF_H
#define TCPDWELL_DETAIL_BPF_H

#include "bounds.bpf.h"

/*
 * What the socket that an iterator is at waits for. Only the thread that reads the iterators uses
 * this.
 */
struct tcpdwell_detail snapshot_detail;

/*
 * Returns whether a socket is an orphan. A socket whose process has closed it is dead (SOCK_DEAD).
 * One that waits in an accept queue is not, and neither is one that only the kernel can reach at
 * the moment, because it is in flight in a unix socket or belongs to an io_uring. For a subflow,
 * the socket of MPTCP is the one that dies (__mptcp_close(), 5.10 to 6.18).
 */
static __always_inline bool is_orphan(const struct sock *sk)
{
	const struct sock *whole = sock_of_process(sk);

	return BPF_CORE_READ(whole, __sk_common.skc_flags) & (1UL << SOCK_DEAD);
}

/* Values of icsk_pending (include/net/inet_connection_sock.h). */
#define ICSK_TIME_RETRANS     1
#define ICSK_TIME_PROBE0      3
#define ICSK_TIME_LOSS_PROBE  5
#define ICSK_TIME_REO_TIMEOUT 6

/* Returns the longest time that it can be until a tick; 0: the tick has passed. */
static __always_inline __u64 left_ns(__u32 stamp, __u64 now_ns)
{
	__u64 due_ns = jiffies_ns(stamp, now_ns);

	return due_ns > now_ns ? due_ns - now_ns : 0;
}

/* Returns whether the keep-alive timer is armed. It is a member of its own since 6.19. */
static __always_inline bool keepalive_armed(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;

	if (bpf_core_field_exists(icsk->icsk_keepalive_timer))
		return BPF_CORE_READ(icsk, icsk_keepalive_timer.entry.pprev);
	return BPF_CORE_READ(sk, sk_timer.entry.pprev);
}

static __always_inline __u32 keepalive_due(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;

	if (bpf_core_field_exists(icsk->icsk_keepalive_timer))
		return BPF_CORE_READ(icsk, icsk_keepalive_timer.expires);
	return BPF_CORE_READ(sk, sk_timer.expires);
}

/* Reads which timer runs, in the way of inet_sk_diag_fill(). */
__noinline int detail_timer(__u64 address, __u64 now_ns)
{
	const struct sock *sk = (const struct sock *)address;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	struct tcpdwell_detail *d = &snapshot_detail;
	__u8 pending = BPF_CORE_READ(icsk, icsk_pending);

	if (pending == ICSK_TIME_RETRANS || pending == ICSK_TIME_LOSS_PROBE ||
	    pending == ICSK_TIME_REO_TIMEOUT)
		d->timer = TCPDWELL_TIMER_RETRANSMIT;
	else if (pending == ICSK_TIME_PROBE0)
		d->timer = TCPDWELL_TIMER_PROBE;
	else if (keepalive_armed(sk))
		d->timer = TCPDWELL_TIMER_KEEPALIVE;
	if (d->timer == TCPDWELL_TIMER_KEEPALIVE)
		d->expires_ns = left_ns(keepalive_due(sk), now_ns);
	else if (d->timer)
		d->expires_ns = left_ns(retransmission_due(sk), now_ns);
	d->retransmits = BPF_CORE_READ(icsk, icsk_retransmits);
	d->probes_out = BPF_CORE_READ(icsk, icsk_probes_out);
	d->backoff = BPF_CORE_READ(icsk, icsk_backoff);
	d->rto_ns = BPF_CORE_READ(icsk, icsk_rto) * cfg_tick_ns;
	return 0;
}

static __always_inline __u32 ticks_to_s(__u32 ticks)
{
	return ticks * cfg_tick_ns / 1000000000;
}

/* Reads what the process has set. */
__noinline int detail_options(__u64 address)
{
	const struct sock *sk = (const struct sock *)address;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct tcpdwell_detail *d = &snapshot_detail;
	__s32 linger2 = BPF_CORE_READ(tp, linger2);

	d->user_timeout_ms = BPF_CORE_READ(icsk, icsk_user_timeout);
	d->keepalive_time_s = ticks_to_s(BPF_CORE_READ(tp, keepalive_time));
	d->keepalive_intvl_s = ticks_to_s(BPF_CORE_READ(tp, keepalive_intvl));
	d->keepalive_probes = BPF_CORE_READ(tp, keepalive_probes);
	d->syn_retries = BPF_CORE_READ(icsk, icsk_syn_retries);
	if (bpf_core_field_exists(icsk->icsk_rto_max))
		d->rto_max_ms = BPF_CORE_READ(icsk, icsk_rto_max) * cfg_tick_ns / 1000000;
	d->linger2_s = linger2 < 0 ? -1 : (__s32)ticks_to_s(linger2);
	d->err_soft = BPF_CORE_READ(sk, sk_err_soft);
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) & (1UL << SOCK_KEEPOPEN))
		d->flags |= TCPDWELL_DETAIL_KEEPALIVE;
	return 0;
}

/* Writes how long ago data or an ACK was last heard (keepalive_time_elapsed()), if it ever was. */
static __always_inline void detail_silence(struct tcpdwell_detail *d, const struct sock *sk,
					   __u64 now_ns)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u64 heard_ns = bounds_newer(jiffies_ns(BPF_CORE_READ(icsk, icsk_ack.lrcvtime), now_ns),
				      jiffies_ns(BPF_CORE_READ(tp, rcv_tstamp), now_ns));

	if (!heard_ns)
		return;
	d->known |= TCPDWELL_KNOWN_SILENT;
	if (heard_ns < now_ns)
		d->silent_ns = now_ns - heard_ns;
}

/* Writes what a full socket waits for to snapshot_detail. The verifier walks through it once. */
__noinline int detail_read(__u64 address, __u64 now_ns, __u32 state)
{
	const struct sock *sk = (const struct sock *)address;
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	struct tcpdwell_detail *d = &snapshot_detail;
	__u64 first_ns;

	__builtin_memset(d, 0, sizeof(*d));
	detail_options(address);
	d->known = TCPDWELL_KNOWN_OPTIONS | TCPDWELL_KNOWN_KEEPALIVE | TCPDWELL_KNOWN_ORPHAN;
	if (state == TCPDWELL_LISTEN)
		return 0;
	detail_timer(address, now_ns);
	first_ns = retrans_ns(address, now_ns);
	if (d->retransmits && first_ns)
		d->retransmit_ns = now_ns - first_ns;
	detail_silence(d, sk, now_ns);
	d->recv_bytes = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);
	if ((__s32)d->recv_bytes < 0)
		d->recv_bytes = 0;
	d->send_bytes = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);
	d->total_retransmits = BPF_CORE_READ(tp, total_retrans);
	if (is_orphan(sk))
		d->flags |= TCPDWELL_DETAIL_ORPHAN;
	d->known |= TCPDWELL_KNOWN_TIMER | TCPDWELL_KNOWN_QUEUES;
	return 0;
}

/* Begins the detail of a timewait socket or a request, which have no queues. */
static __always_inline void detail_begin(__u8 timer, __u32 due, __u64 now_ns)
{
	struct tcpdwell_detail *d = &snapshot_detail;

	__builtin_memset(d, 0, sizeof(*d));
	d->timer = timer;
	d->expires_ns = left_ns(due, now_ns);
	d->known = TCPDWELL_KNOWN_TIMER | TCPDWELL_KNOWN_QUEUES;
}

static __always_inline void detail_tw(const struct inet_timewait_sock *tw, __u64 now_ns)
{
	if (cfg_details)
		detail_begin(TCPDWELL_TIMER_TIMEWAIT, BPF_CORE_READ(tw, tw_timer.expires), now_ns);
}

static __always_inline void detail_request(const struct request_sock *req,
					   const struct sock *listener, __u64 now_ns)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)listener;
	struct tcpdwell_detail *d = &snapshot_detail;

	if (!cfg_details)
		return;
	detail_begin(TCPDWELL_TIMER_REQUEST, BPF_CORE_READ(req, rsk_timer.expires), now_ns);
	d->retransmits = BPF_CORE_READ_BITFIELD_PROBED(req, num_timeout);
	if (!listener)
		return;
	d->syn_retries = BPF_CORE_READ(icsk, icsk_syn_retries);
	d->known |= TCPDWELL_KNOWN_OPTIONS;
}

#endif /* TCPDWELL_DETAIL_BPF_H */
