/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Why a connection ended: what is read from its socket, for lifecycle_reason()
 * (include/lifecycle.h).
 */
#ifndef TCPDWELL_REASON_BPF_H
#define TCPDWELL_REASON_BPF_H

#include "timewait.bpf.h"
#include "workspace.bpf.h"

/* Values of sock_extended_err.ee_origin (linux/errqueue.h): the error came by ICMP. */
#define SO_EE_ORIGIN_ICMP  2
#define SO_EE_ORIGIN_ICMP6 3

/*
 * Returns the ICMP error for which a process closes a socket in SYN_SENT; 0 if none is known. The
 * error does not end the connection if it comes while connect() has the socket locked. This happens
 * if it comes from a firewall of this host or of a container's. Then getsockopt(SO_ERROR) returns
 * it and takes it out of sk_err_soft, but the error queue still has it (tcp_v4_err(),
 * ip_icmp_error()).
 */
static __always_inline int sock_icmp_error(const struct sock *sk)
{
	struct sock_extended_err ee = {};
	const struct sk_buff *skb;
	int err = BPF_CORE_READ(sk, sk_err_soft);

	if (err || !bpf_core_type_exists(struct sock_exterr_skb) ||
	    !BPF_CORE_READ(sk, sk_error_queue.qlen))
		return err;
	skb = BPF_CORE_READ(sk, sk_error_queue.next);
	bpf_core_read(&ee, sizeof(ee), &((const struct sock_exterr_skb *)&skb->cb)->ee);
	return ee.ee_origin == SO_EE_ORIGIN_ICMP || ee.ee_origin == SO_EE_ORIGIN_ICMP6 ?
		       ee.ee_errno :
		       0;
}

/*
 * Returns the error with which a socket goes from SYN_SENT to CLOSE, if nobody refused it. What it
 * held before connect() is none.
 */
static __noinline int sock_give_up_error(const struct sock *sk)
{
	int err = sock_is_unsent(sk) ? 0 : PEEK(sock, sk, sk_err);

	return err ?: sock_icmp_error(sk);
}

/* Fills in what the transition says beyond its two states. */
static __always_inline void transition_describe(struct transition *t, const struct lifecycle *l,
						__u32 facts)
{
	struct row *row = t->row;
	int err = t->sk->sk_err;

	row->dwell = lifecycle_dwell(l, row->from, row->time_ns, &row->dwell_ns);
	if (row->to != TCPDWELL_CLOSE)
		return;
	row->reason = lifecycle_reason(row->from, err, facts);
	if (row->reason == TCPDWELL_REASON_ABORTED && row->from == TCPDWELL_SYN_SENT)
		err = sock_give_up_error(t->sk);
	row->err = lifecycle_error(row->reason, err);
}

/*
 * Returns the number of segments with data that have come so far, scaled as LIFECYCLE_COUNT says.
 */
static __always_inline __u32 data_segments(const struct sock *sk)
{
	return PEEK(tcp_sock, sk, data_segs_in) * LIFECYCLE_COUNT;
}

/* The process lets go of @sk: notes how many segments with data have come. */
static __always_inline void data_count(const struct sock *sk, struct lifecycle *l)
{
	__u32 before = l->waits & LIFECYCLE_COUNTED;

	__sync_fetch_and_add(&l->waits, data_segments(sk) - before);
	l->marks |= LIFECYCLE_DATA_COUNTED;
}

static __always_inline bool data_came(const struct sock *sk, const struct lifecycle *l)
{
	return l->marks & LIFECYCLE_DATA_COUNTED && sk->sk_shutdown & RCV_SHUTDOWN &&
	       data_segments(sk) != (l->waits & LIFECYCLE_COUNTED);
}

/*
 * The shortest time after which the timer of an orphan in FIN_WAIT2 ends it. The kernel sets a
 * second or 3.5 retransmission timeouts (tcp_fin_time()).
 */
#define FIN_TIME_NS 500000000ULL

/*
 * Returns LIFECYCLE_LINGERED if the state that is left, FIN_WAIT2, was ended by that timer; else 0.
 * If there is no room for a timewait socket, FIN_WAIT2 ends at once, or in close(), which has the
 * socket.
 */
static __always_inline __u32 sock_lingered(const struct sock *sk, const struct row *row,
					   const struct lifecycle *l)
{
	bool lingered = row->time_ns - l->since_ns >= FIN_TIME_NS;

	return (lingered & !is_of_task(sk)) * LIFECYCLE_LINGERED;
}

/*
 * Returns which limit has run out if the socket holds ETIMEDOUT: LIFECYCLE_USER_TIMEOUT,
 * LIFECYCLE_KEEPALIVE, or 0 for the number of retransmissions. tcp_write_err() has emptied the
 * socket's queues, but the sequence numbers tell what was in them. If TCP_USER_TIMEOUT is set, it
 * alone decides, except during the handshake (tcp_write_timeout(), tcp_probe_timer(),
 * tcp_keepalive_timer()).
 */
static __always_inline __u32 timeout_facts(const struct sock *sk, __u64 now_ns)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	__u64 limit_ns = BPF_CORE_READ(icsk, icsk_user_timeout) * 1000000ULL, past_ns;
	__u32 stamp, unit_ns = 1000000;

	if (!sock_is_unacked(sk)) {
		if (!BPF_CORE_READ(icsk, icsk_probes_out))
			return 0;
		return limit_ns ? LIFECYCLE_USER_TIMEOUT : LIFECYCLE_KEEPALIVE;
	}
	if (!limit_ns)
		return 0;
	/* Only window probes are out. */
	if (BPF_CORE_READ(tp, snd_una) == BPF_CORE_READ(tp, snd_nxt)) {
		if (!bpf_core_field_exists(icsk->icsk_probes_tstamp))
			return LIFECYCLE_USER_TIMEOUT;
		stamp = BPF_CORE_READ(icsk, icsk_probes_tstamp);
		past_ns = ((__u32)bpf_jiffies64() - stamp) * cfg_tick_ns;
	} else {
		/*
		 * The stamp is in milliseconds, or in microseconds if the route asks for such time
		 * stamps (6.7).
		 */
		if (bpf_core_field_exists(tp->tcp_usec_ts) &&
		    BPF_CORE_READ_BITFIELD_PROBED(tp, tcp_usec_ts))
			unit_ns = 1000;
		stamp = BPF_CORE_READ(tp, retrans_stamp);
		past_ns = (__u64)((__u32)(now_ns / unit_ns) - stamp) * unit_ns;
	}
	return stamp && past_ns + cfg_tick_ns >= limit_ns ? LIFECYCLE_USER_TIMEOUT : 0;
}

/*
 * Returns the other facts that decide on the reason of an end, if it is not the common one. It is
 * not inlined, to spare its caller's stack. It is static, so that it takes the socket as a typed
 * pointer.
 */
static __noinline __u32 cut_off_facts(const struct sock *sk, __u64 now_ns)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	__u32 facts = 0;

	if (sock_is_unsent(sk))
		return LIFECYCLE_UNSENT;
	if (PEEK(sock, sk, sk_err) == LIFECYCLE_ETIMEDOUT)
		return timeout_facts(sk, now_ns);
	if (BPF_CORE_READ_BITFIELD_PROBED(tp, repair))
		facts |= LIFECYCLE_REPAIR;
	if (PEEK(sock, sk, __sk_common.skc_flags) & (1UL << SOCK_DEAD) && !sock_is_subflow(sk)) {
		facts |= LIFECYCLE_ORPHAN;
		if (netns_is_gone(&sk->__sk_common))
			facts |= LIFECYCLE_NETNS_GONE;
	}
	return facts;
}

/* Returns whether cut_off_facts() is to be asked. */
static __always_inline bool wants_cut_off_facts(const struct sock *sk, __u8 from, __u32 facts)
{
	if (sk->sk_err)
		return sk->sk_err == LIFECYCLE_ETIMEDOUT || from == TCPDWELL_SYN_SENT;
	return lifecycle_is_cut_off(from, facts);
}

/* Returns the facts that decide on the reason of the end and on who acted (enum lifecycle_fact). */
static __always_inline __u32 transition_facts(const struct transition *t, struct workspace *space,
					      const struct lifecycle *l, __u8 from, __u8 to)
{
	__u32 facts = 0;

	if (to == TCPDWELL_CLOSE)
		facts = sock_facts(t->sk, t->e, from) | sock_lingered(t->sk, t->row, l);
	if (cfg_timewait && t->known)
		facts |= LIFECYCLE_NO_TW;
	if (to == TCPDWELL_CLOSE && data_came(t->sk, l))
		facts |= LIFECYCLE_DATA_CAME;
	facts = blurred(space, facts);
	if (to == TCPDWELL_CLOSE && wants_cut_off_facts(t->sk, from, facts))
		facts |= cut_off_facts(t->sk, t->row->time_ns);
	return facts;
}

#endif /* TCPDWELL_REASON_BPF_H */
