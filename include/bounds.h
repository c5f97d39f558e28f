/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a socket entered its state, and when data last went through it: bounds that follow from what
 * the kernel happens to keep. Pure arithmetic, in the BPF object and in the unit tests.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC; 0 is one that is not known. A bound is true or 0: the
 * latest time makes an age "at least", the earliest one makes it "at most".
 *
 * The stamps are those of net/ipv4/tcp*.c, 5.10 to 7.3. Keep-alive probes, window probes and
 * retransmissions move some of them, which is what this file is about.
 */
#ifndef TCPDWELL_BOUNDS_H
#define TCPDWELL_BOUNDS_H

#include "wire.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/*
 * A segment is stamped when it comes in, and moves the socket a little later, in the same softirq.
 * That long is taken off each age that is at least so long, so that it stays true on a busy host.
 */
#define BOUNDS_PROCESSING_NS 1000000ULL

/* connect() looks for a port between the transition to SYN_SENT and the stamp of the SYN. */
#define BOUNDS_CONNECT_NS 1000000000ULL

enum bounds_flag {
	BOUNDS_IN_FLIGHT = 1 << 0,     /* something that was sent is not acknowledged */
	BOUNDS_FIN_ALONE = 1 << 1,     /* and that is nothing but the FIN */
	BOUNDS_UNACKED = 1 << 2,       /* something that was written is not acknowledged */
	BOUNDS_RETRANSMITS = 1 << 3,   /* the retransmission timer has run since the last ACK */
	BOUNDS_RETRANSMITTED = 1 << 4, /* some segment was ever sent twice */
	BOUNDS_NONE_SENT = 1 << 5,     /* no data was ever sent */
	BOUNDS_NONE_RECEIVED = 1 << 6, /* nor received */
	BOUNDS_FAST_OPEN = 1 << 7, /* data may go before the handshake is over, or the SYN later */
	BOUNDS_CONNECTED = 1 << 8, /* it has, or had, a peer */
};

/*
 * What a full socket has. A stamp in jiffies is given as the latest time that it can mean; the
 * earliest is so much older as grain_ns says. Stamps of CLOCK_MONOTONIC mean what they say.
 */
struct bounds_facts {
	__u64 now_ns;
	__u64 grain_ns;
	__u64 segment_ns;   /* tcp_mstamp: a segment came, or one of any kind went */
	__u64 sent_ns;	    /* lsndtime, jiffies: data went, for the first time or again */
	__u64 received_ns;  /* icsk_ack.lrcvtime, jiffies: data came */
	__u64 acked_ns;	    /* rcv_tstamp, jiffies: a segment with an ACK came */
	__u64 delivered_ns; /* delivered_mstamp: the flight began, or an ACK was news */
	__u64 tail_ns;	    /* the newest segment in flight was last sent */
	__u64 first_ns;	    /* retrans_stamp: the first SYN, or the first retransmission */
	__u64 opened_ns;    /* rcvq_space.time: the handshake was over, or later */
	__u64 timer_ns;	    /* icsk_timeout, jiffies: the retransmission timer is due, or was */
	__u16 flags;	    /* enum bounds_flag */
	__u8 state;
};

struct bounds {
	__u64 latest_ns;
	__u64 earliest_ns;
};

static __always_inline __u64 bounds_older(__u64 a_ns, __u64 b_ns)
{
	if (!a_ns || !b_ns)
		return a_ns ? a_ns : b_ns;
	return a_ns < b_ns ? a_ns : b_ns;
}

static __always_inline __u64 bounds_newer(__u64 a_ns, __u64 b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

/* The earliest time that a stamp in jiffies can mean. */
static __always_inline __u64 bounds_begin(const struct bounds_facts *f, __u64 jiffies_ns)
{
	return jiffies_ns > f->grain_ns ? jiffies_ns - f->grain_ns : 0;
}

/*
 * Whether the flight began by a call of the process and no ACK came since: so it had written what
 * is in flight before it closed. An ACK that lets a flight begin is stamped with it.
 */
static __always_inline int bounds_sent_by_process(const struct bounds_facts *f)
{
	return f->flags & BOUNDS_IN_FLIGHT && f->delivered_ns && f->acked_ns &&
	       f->acked_ns < f->delivered_ns;
}

/*
 * The FIN was sent at this time or before. A flight that began with it tells when; else it is the
 * newest segment of its flight, of which the retransmission timer sends the oldest.
 */
static __always_inline __u64 bounds_fin_sent(const struct bounds_facts *f)
{
	if (f->flags & BOUNDS_FIN_ALONE)
		return bounds_older(f->delivered_ns, f->first_ns);
	return f->flags & BOUNDS_IN_FLIGHT ? f->tail_ns : 0;
}

/*
 * A held socket whose connection is over. Where all was acknowledged, or the peer's RST came, what
 * ended it was a segment or a timer, and both leave a stamp. An ICMP error to a SYN leaves none,
 * and then it ended before its timer was due; the wheel runs it up to an eighth later.
 */
static __always_inline __u64 bounds_closed(const struct bounds_facts *f)
{
	if (!(f->flags & BOUNDS_CONNECTED) || !f->segment_ns)
		return 0;
	if (!(f->flags & BOUNDS_UNACKED) || f->timer_ns <= f->segment_ns)
		return f->segment_ns;
	return f->timer_ns + (f->timer_ns - f->segment_ns) / 8;
}

/*
 * The oldest stamp that is certain not to be older than the state.
 *
 *	ESTABLISHED	lsndtime is set on entry (tcp_finish_connect(), tcp_rcv_state_process()),
 *			and so are rcv_tstamp and rcvq_space.time, of a fast open before it.
 *	CLOSE_WAIT	A segment of the peer led here, and was stamped. Probes of either side
 *	CLOSING		and the FIN sent again move these stamps.
 *	FIN_WAIT2	The ACK of the FIN was the last one that was news.
 *	FIN_WAIT1	The process closes, and tcp_send_fin() sends what it can.
 *	LAST_ACK
 *	SYN_RECV	A SYN came: simultaneous open, or a fast open, whose child is opened then.
 *	LISTEN		Nothing tells.
 */
static __always_inline __u64 bounds_latest(const struct bounds_facts *f)
{
	__u64 ns = f->segment_ns;

	switch (f->state) {
	case TCPDWELL_ESTABLISHED:
		ns = bounds_older(ns, bounds_older(f->sent_ns, f->acked_ns));
		if (f->flags & BOUNDS_IN_FLIGHT)
			ns = bounds_older(ns, f->delivered_ns);
		return f->flags & BOUNDS_FAST_OPEN ? ns : bounds_older(ns, f->opened_ns);
	case TCPDWELL_FIN_WAIT2:
		return bounds_older(ns, bounds_older(f->acked_ns, f->delivered_ns));
	case TCPDWELL_CLOSE_WAIT:
	case TCPDWELL_CLOSING:
		return bounds_older(ns, f->acked_ns);
	case TCPDWELL_FIN_WAIT1:
	case TCPDWELL_LAST_ACK:
		return bounds_older(ns, bounds_fin_sent(f));
	case TCPDWELL_SYN_RECV:
		return f->flags & BOUNDS_FAST_OPEN ? bounds_older(ns, f->opened_ns) : ns;
	case TCPDWELL_SYN_SENT:
		return f->first_ns;
	case TCPDWELL_CLOSE:
		return bounds_closed(f);
	}
	return 0;
}

/*
 * The newest time that is certain not to be later than the state.
 *
 *	ESTABLISHED	Where no data went, or none came, its stamp is still that of the opening.
 *	CLOSE_WAIT	No data comes behind the peer's FIN.
 *	CLOSING
 *	LAST_ACK
 *	FIN_WAIT2	The ACK that led here is stamped as it is looked at.
 *	CLOSE		No segment comes or goes any more.
 */
static __always_inline __u64 bounds_earliest(const struct bounds_facts *f)
{
	__u64 received_ns = bounds_begin(f, f->received_ns);

	switch (f->state) {
	case TCPDWELL_ESTABLISHED:
		if (f->flags & BOUNDS_NONE_SENT)
			return bounds_begin(f, f->sent_ns);
		return f->flags & BOUNDS_NONE_RECEIVED ? received_ns : 0;
	case TCPDWELL_CLOSE_WAIT:
	case TCPDWELL_CLOSING:
		return received_ns;
	case TCPDWELL_LAST_ACK:
		return bounds_newer(received_ns, bounds_sent_by_process(f) ? f->delivered_ns : 0);
	case TCPDWELL_FIN_WAIT1:
		return bounds_sent_by_process(f) ? f->delivered_ns : 0;
	case TCPDWELL_FIN_WAIT2:
		return f->delivered_ns;
	case TCPDWELL_SYN_RECV:
		return f->flags & BOUNDS_FAST_OPEN ? f->opened_ns : 0;
	case TCPDWELL_SYN_SENT:
		return f->flags & BOUNDS_FAST_OPEN || f->first_ns <= BOUNDS_CONNECT_NS ?
			       0 :
			       f->first_ns - BOUNDS_CONNECT_NS;
	case TCPDWELL_CLOSE:
		return f->segment_ns;
	}
	return 0;
}

/* What is at hand, made true: not in the future, and with the time that the kernel takes. */
static __always_inline struct bounds bounds_make(__u64 latest_ns, __u64 earliest_ns, __u64 now_ns)
{
	struct bounds bounds = { .earliest_ns = earliest_ns < now_ns ? earliest_ns : 0 };

	if (latest_ns && latest_ns + BOUNDS_PROCESSING_NS < now_ns)
		bounds.latest_ns = latest_ns + BOUNDS_PROCESSING_NS;
	return bounds;
}

/* When the socket entered its state. */
static __always_inline struct bounds bounds_state(const struct bounds_facts *f)
{
	return bounds_make(bounds_latest(f), bounds_earliest(f), f->now_ns);
}

/*
 * A timewait socket: its timer was armed on entry to TIME_WAIT or later (@armed_ns), and its stamp
 * of milliseconds (@entry_ns, rounded down) is of the last segment before that state, or the one
 * that led there. In FIN_WAIT2 it is of the one that led there, or a later one. 0: not known, each.
 */
static __always_inline struct bounds bounds_timewait(__u8 state, __u64 armed_ns, __u64 entry_ns,
						     __u64 now_ns)
{
	if (state == TCPDWELL_TIME_WAIT)
		return bounds_make(armed_ns, entry_ns, now_ns);
	return bounds_make(entry_ns ? entry_ns + 1000000 : 0, 0, now_ns);
}

/*
 * When new data last came or went: probes and what is sent again are no activity. With one segment
 * in flight, the flight began with it; what the retransmission timer sends is the oldest one, so
 * the newest tells when it was new.
 */
static __always_inline struct bounds bounds_active(const struct bounds_facts *f)
{
	__u64 sent_ns = f->sent_ns;
	__u64 begun_ns = f->flags & BOUNDS_RETRANSMITTED ? 0 : bounds_begin(f, f->sent_ns);

	if (f->flags & BOUNDS_IN_FLIGHT)
		sent_ns = bounds_older(sent_ns, f->tail_ns);
	if (f->flags & BOUNDS_RETRANSMITS)
		sent_ns = bounds_older(sent_ns, f->first_ns);
	return bounds_make(bounds_newer(sent_ns, f->received_ns),
			   bounds_newer(begun_ns, bounds_begin(f, f->received_ns)), f->now_ns);
}

#endif /* TCPDWELL_BOUNDS_H */
