/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bounds on when a socket entered its state, and on when data last went through it. They follow
 * from stamps that the kernel keeps for other purposes. This is pure arithmetic, compiled into the
 * BPF object and into the unit tests.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC; 0 means that the time is not known. A bound is true or
 * 0: the latest time makes an age "at least", the earliest time makes it "at most".
 *
 * The stamps are those of net/ipv4/tcp*.c in kernels 5.10 to 7.3. Keep-alive probes, window probes
 * and retransmissions move some of them. The functions below say which stamps remain valid bounds
 * nevertheless.
 */
#ifndef TCPDWELL_BOUNDS_H
#define TCPDWELL_BOUNDS_H

#include "wire.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/*
 * A segment is stamped when it comes in, and it changes the socket's state a little later in the
 * same softirq. bounds_make() makes each latest time later by this long, so that "at least" stays
 * true on a busy host.
 */
#define BOUNDS_PROCESSING_NS 1000000ULL

/*
 * connect() looks for a port between the transition to SYN_SENT and the stamp of the SYN; this is
 * the longest that the search is assumed to take.
 */
#define BOUNDS_CONNECT_NS 1000000000ULL

enum bounds_flag {
	BOUNDS_IN_FLIGHT = 1 << 0,     /* something that was sent is not acknowledged */
	BOUNDS_FIN_ALONE = 1 << 1,     /* the FIN alone is in flight */
	BOUNDS_UNACKED = 1 << 2,       /* something that was written is not acknowledged */
	BOUNDS_RETRANSMITS = 1 << 3,   /* the retransmission timer has run since the last ACK */
	BOUNDS_RETRANSMITTED = 1 << 4, /* some segment was ever sent twice */
	BOUNDS_NONE_SENT = 1 << 5,     /* no data was ever sent */
	BOUNDS_NONE_RECEIVED = 1 << 6, /* no data was ever received */
	/* A fast open: data may go before the handshake is over, or the SYN later. */
	BOUNDS_FAST_OPEN = 1 << 7,
	BOUNDS_CONNECTED = 1 << 8, /* the socket has, or had, a peer */
};

/*
 * What bounds are computed from, as read from a full socket. A stamp in jiffies is given as the
 * latest time that it can mean; the earliest time that it can mean is grain_ns before that. A stamp
 * of CLOCK_MONOTONIC is exact.
 */
struct bounds_facts {
	__u64 now_ns;
	__u64 grain_ns;
	__u64 segment_ns;   /* tcp_mstamp: a segment came, or one of any kind went */
	__u64 sent_ns;	    /* lsndtime, jiffies: data went, for the first time or again */
	__u64 received_ns;  /* icsk_ack.lrcvtime, jiffies: data came */
	__u64 acked_ns;	    /* rcv_tstamp, jiffies: a segment with an ACK came */
	__u64 delivered_ns; /* delivered_mstamp: the flight began, or an ACK was news */
	__u64 tail_ns;	    /* when the newest segment in flight was last sent */
	__u64 first_ns;	    /* retrans_stamp: the first SYN, or the first retransmission */
	__u64 opened_ns;    /* rcvq_space.time: when the handshake was over, or later */
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

/* Returns the earliest time that a stamp in jiffies can mean; 0 if there is none. */
static __always_inline __u64 bounds_begin(const struct bounds_facts *f, __u64 jiffies_ns)
{
	return jiffies_ns > f->grain_ns ? jiffies_ns - f->grain_ns : 0;
}

/*
 * Returns whether the process began the flight by a call and no ACK has come since. If so, the
 * process wrote what is in flight before it closed. An ACK that lets a flight begin gets the same
 * stamp as the flight.
 */
static __always_inline int bounds_sent_by_process(const struct bounds_facts *f)
{
	return f->flags & BOUNDS_IN_FLIGHT && f->delivered_ns && f->acked_ns &&
	       f->acked_ns < f->delivered_ns;
}

/*
 * Returns the latest time at which the FIN can have been sent; 0 if that is not known. If the FIN
 * is alone in its flight, the flight began with it. Otherwise the FIN is the newest segment of its
 * flight. The retransmission timer resends the oldest one, so tail_ns still tells of the FIN.
 */
static __always_inline __u64 bounds_fin_sent(const struct bounds_facts *f)
{
	if (f->flags & BOUNDS_FIN_ALONE)
		return bounds_older(f->delivered_ns, f->first_ns);
	return f->flags & BOUNDS_IN_FLIGHT ? f->tail_ns : 0;
}

/*
 * Returns the latest time at which the connection can have ended, of a closed socket that a process
 * still holds; 0 if that is not known. If everything was acknowledged, or the peer's RST came, a
 * segment or a timer ended the connection, and both leave a stamp. An ICMP error to a SYN leaves
 * none; then the connection ended before its retransmission timer was due. The timer wheel runs a
 * timer up to an eighth later than it expires.
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
 * Returns the oldest stamp that is certain not to be older than the state; 0 if there is none.
 *
 *	ESTABLISHED	lsndtime is set on entry (tcp_finish_connect(), tcp_rcv_state_process()),
 *			and so are rcv_tstamp and rcvq_space.time. A fast open sets the latter
 *			before.
 *	CLOSE_WAIT	A segment of the peer led here, and was stamped. Probes of either side
 *	CLOSING		and a FIN that is sent again move these stamps.
 *	FIN_WAIT2	The ACK of the FIN was the last one that was news.
 *	FIN_WAIT1	The process closes, and tcp_send_fin() sends what it can.
 *	LAST_ACK
 *	SYN_RECV	A SYN came: either a simultaneous open, or a fast open, whose child is
 *			opened at that moment.
 *	LISTEN		No stamp tells.
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
 * Returns the newest time that is certain not to be later than the state; 0 if there is none.
 *
 *	ESTABLISHED	Where no data was sent, or none was received, the stamp of that
 *			direction is still the one from the opening.
 *	CLOSE_WAIT	No data comes behind the peer's FIN.
 *	CLOSING
 *	LAST_ACK
 *	FIN_WAIT2	The ACK that led here is stamped when it is processed.
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

/*
 * Makes true bounds: a time in the future counts as not known, and the kernel's processing time is
 * allowed for.
 */
static __always_inline struct bounds bounds_make(__u64 latest_ns, __u64 earliest_ns, __u64 now_ns)
{
	struct bounds bounds = { .earliest_ns = earliest_ns < now_ns ? earliest_ns : 0 };

	if (latest_ns && latest_ns + BOUNDS_PROCESSING_NS < now_ns)
		bounds.latest_ns = latest_ns + BOUNDS_PROCESSING_NS;
	return bounds;
}

/* Returns the bounds of when the socket entered its state. */
static __always_inline struct bounds bounds_state(const struct bounds_facts *f)
{
	return bounds_make(bounds_latest(f), bounds_earliest(f), f->now_ns);
}

/*
 * Returns the bounds of when a timewait socket entered its state. Its timer was armed at @armed_ns,
 * on entry to TIME_WAIT or later. @entry_ns is its stamp in milliseconds, rounded down: of the
 * segment that led to TIME_WAIT, or of the last one before that; in FIN_WAIT2, of the segment that
 * led there, or of a later one. Either may be 0: not known.
 */
static __always_inline struct bounds bounds_timewait(__u8 state, __u64 armed_ns, __u64 entry_ns,
						     __u64 now_ns)
{
	if (state == TCPDWELL_TIME_WAIT)
		return bounds_make(armed_ns, entry_ns, now_ns);
	return bounds_make(entry_ns ? entry_ns + 1000000 : 0, 0, now_ns);
}

/*
 * Returns the bounds of when new data last came or went. Probes and retransmissions are no
 * activity. With one segment in flight, the flight began with it. The retransmission timer resends
 * the oldest segment, so the stamp of the newest one tells when it was new.
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
