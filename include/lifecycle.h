/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of a connection as pure functions: what is remembered of it between two transitions, how
 * long it dwelt in a state, which process a transition may name, and why the connection ended.
 *
 * No function here calls a helper or reads a kernel structure, so the same text is compiled into
 * the BPF object and into the unit tests. The states are those of RFC 9293, section 3.3.2; their
 * numbers are the kernel's.
 */
#ifndef TCPDWELL_LIFECYCLE_H
#define TCPDWELL_LIFECYCLE_H

#include "wire.h"

#ifdef __bpf__
#define LIFECYCLE_FN static __attribute__((always_inline)) inline
#else
#define LIFECYCLE_FN static inline
#endif

/* The errnos that distinguish one end of a connection from another (asm-generic/errno*.h). */
enum lifecycle_errno {
	LIFECYCLE_EPIPE = 32,
	LIFECYCLE_EPROTO = 71,
	LIFECYCLE_EADDRNOTAVAIL = 99,
	LIFECYCLE_ENETDOWN = 100,
	LIFECYCLE_ENETUNREACH = 101,
	LIFECYCLE_ECONNABORTED = 103,
	LIFECYCLE_ECONNRESET = 104,
	LIFECYCLE_ETIMEDOUT = 110,
	LIFECYCLE_ECONNREFUSED = 111,
	LIFECYCLE_EHOSTDOWN = 112,
	LIFECYCLE_EHOSTUNREACH = 113,
	LIFECYCLE_ENOPROTOOPT = 92,
	LIFECYCLE_EOPNOTSUPP = 95,
};

/*
 * Bits of lifecycle.waits, which two CPUs may change: rows that wait for something, and other
 * notes.
 */
enum lifecycle_wait {
	LIFECYCLE_DEFERRED = 1U << 0, /* CLOSE -> SYN_SENT waits for the local port */
	/* An owner filter is set, and accept() has not told the owner yet. */
	LIFECYCLE_UNACCEPTED_SYN_RECV = 1U << 1,
	LIFECYCLE_UNACCEPTED_ESTABLISHED = 1U << 2,
	LIFECYCLE_UNACCEPTED_CLOSE_WAIT = 1U << 3,
	LIFECYCLE_UNACCEPTED = LIFECYCLE_UNACCEPTED_SYN_RECV | LIFECYCLE_UNACCEPTED_ESTABLISHED |
			       LIFECYCLE_UNACCEPTED_CLOSE_WAIT,
	/*
	 * A timewait socket was seen to go FIN_WAIT2 -> TIME_WAIT, and the row waits for the time
	 * of that.
	 */
	LIFECYCLE_FLIPPED = 1U << 4,
	/* The flip was seen in a run of the flush with an odd number. */
	LIFECYCLE_FLIPPED_ODD = 1U << 5,
	LIFECYCLE_WAITING = (1U << 6) - 1, /* any of the bits above */
	/* The bits below are notes; no row waits for them. */
	LIFECYCLE_TO_A_TICK = 1U << 6, /* since_ns came from a stamp in jiffies */
	LIFECYCLE_BOUND = 1U << 7,     /* bind() chose its port (struct tcpdwell_port_use) */
	LIFECYCLE_IN_CGROUP = 1U << 8, /* the socket, or an owner, is in the wanted cgroup */
	LIFECYCLE_OLD = 1U << 9,       /* it was open when found; its past is not known */
	LIFECYCLE_LAST = 1U << 10,     /* when its owner ended, no other process had it */
	LIFECYCLE_CARRIED = 1U << 11,  /* what it carried by a look is noted (bpf/carried.bpf.h) */
	/*
	 * The upper half is a count. It says how often a timewait socket was parked. While
	 * DATA_COUNTED is set it says instead how many segments with data had come when the process
	 * let go (tcp_sock.data_segs_in).
	 */
	LIFECYCLE_COUNT = 1U << 16,
	LIFECYCLE_COUNTED = ~(LIFECYCLE_COUNT - 1),
};

/* Bits of lifecycle.marks. */
enum lifecycle_mark {
	LIFECYCLE_MATCHED = 1U << 0,	  /* an owner matched the owner filter; this stays so */
	LIFECYCLE_OPENED_EXACT = 1U << 1, /* opened_ns is when the SYN came */
	LIFECYCLE_TW = 1U << 2,		  /* a timewait socket (inet_timewait_sock) stands for it */
	LIFECYCLE_TW_FIN_WAIT2 = 1U << 3, /* the timewait socket was born in FIN_WAIT2 */
	LIFECYCLE_PARKED = 1U << 4,	  /* its timer was taken off: it ended, or is re-armed */
	/* A SYN took over the addresses and ports of a timewait socket, which ended. */
	LIFECYCLE_REUSED = 1U << 5,
	LIFECYCLE_DATA_COUNTED = 1U << 6, /* waits counts segments: see LIFECYCLE_COUNT */
	LIFECYCLE_OF_REQUEST = 1U << 7,	  /* a request told of its SYN_RECV */
};

/*
 * What is remembered of a connection: the value of the kernel side's map of connections.
 *
 * It is 64 bytes, so an element of a hash map without preallocation (which adds 48 bytes and an
 * 8-byte key) fits a 128-byte slab object. That is the kernel memory that a live connection takes.
 */
struct lifecycle {
	__u64 since_ns; /* CLOCK_MONOTONIC; since says how exact it is */
	__u64 id;	/* the identity that rows carry */
	union {
		__u64 opened_ns; /* while UNACCEPTED: when the connection entered SYN_RECV */
		__u64 cgroup_id; /* once the full socket is gone */
		__u64 slot; /* while DEFERRED: in the ring of those rows (bpf/deferred.bpf.h) */
		__u64 sock; /* where lives are summed: address of the full socket */
		/*
		 * Address of the task_struct in whose table of descriptors the owner has the
		 * socket. The highest bit is set, as in sock, but in no other member here; if it is
		 * clear, the task is not known. Where lives are summed, task may take the place of
		 * sock only while object holds the socket's address as well. The lowest
		 * bits are those of the descriptor: see lifecycle_task().
		 */
		__u64 task;
	};
	union {
		__u64 established_ns; /* while UNACCEPTED: when it entered ESTABLISHED */
		/* While OWNER_SCAN: run of the snapshot << 54 | last holder's pid << 32. */
		__u64 holder; /* a run has 9 bits */
		/*
		 * Address of the kernel's socket; it is always known while DEFERRED or TW. The
		 * highest bit is set, as in no other member here.
		 */
		__u64 object;
	};
	__u32 pid;    /* the owner's thread group */
	__u8 owner;   /* enum tcpdwell_owner: how the owner is known */
	__u8 since;   /* enum tcpdwell_dwell: how exact since_ns is */
	__u8 holders; /* processes that held it when the tracer started, 0: not counted */
	__u8 marks;
	/* The kernel's name is 15 bytes and a NUL; state takes the place of the NUL. */
	char comm[TCPDWELL_COMM_LEN - 1];
	__u8 state;
	union {
		/* For a timewait socket, which may come from a state without an fd. */
		__u32 uid;
		__u32 fd; /* in task's table, in the other states: lifecycle_has_fd() */
	};
	__u32 waits;
};

/* In lifecycle.fd: the number is a guess that nothing has confirmed. */
#define LIFECYCLE_FD_GUESSED (1U << 31)

/* Nowhere but in what functions are given: the lowest bits of a descriptor, and no more of it. */
#define LIFECYCLE_FD_NEAR (1U << 30)

_Static_assert(sizeof(struct lifecycle) == 64, "a connection takes 64 bytes");
_Static_assert(__builtin_offsetof(struct lifecycle, waits) % 4 == 0, "waits is an atomic word");

/* Notes that the connection entered @state at @now_ns. */
LIFECYCLE_FN void lifecycle_enter(struct lifecycle *l, __u8 state, __u64 now_ns)
{
	l->state = state;
	l->since_ns = now_ns;
	l->since = TCPDWELL_DWELL_EXACT;
}

/* Returns whether the address of the kernel's socket is known. */
LIFECYCLE_FN int lifecycle_has_object(const struct lifecycle *l)
{
	return l->object >> 63;
}

/*
 * Returns whether it is known in whose table of descriptors the owner has the socket; @life says
 * whether lives are summed.
 */
LIFECYCLE_FN int lifecycle_has_task(const struct lifecycle *l, int life)
{
	if (life && l->state != TCPDWELL_LISTEN &&
	    (!lifecycle_has_object(l) || l->task == l->object))
		return 0; /* the member holds sock */
	return l->task >> 63;
}

/* A task_struct begins where a line of a cache does, so these bits of its address are 0. */
#define LIFECYCLE_FD_BITS 63U

LIFECYCLE_FN __u64 lifecycle_task(const struct lifecycle *l)
{
	return l->task & ~(__u64)LIFECYCLE_FD_BITS;
}

LIFECYCLE_FN __u32 lifecycle_fd_bits(const struct lifecycle *l)
{
	return l->task & LIFECYCLE_FD_BITS;
}

/*
 * Returns whether fd may be noted. A timewait socket can come from the states for which it may not.
 */
LIFECYCLE_FN int lifecycle_has_fd(const struct lifecycle *l)
{
	return l->state != TCPDWELL_FIN_WAIT1 && l->state != TCPDWELL_FIN_WAIT2 &&
	       l->state != TCPDWELL_CLOSING && l->state != TCPDWELL_TIME_WAIT;
}

/* Returns the descriptor under which the owner has the socket, or had it, as far as it is known. */
LIFECYCLE_FN __u32 lifecycle_place(const struct lifecycle *l)
{
	return lifecycle_has_fd(l) ? l->fd & ~LIFECYCLE_FD_GUESSED :
				     lifecycle_fd_bits(l) | LIFECYCLE_FD_NEAR;
}

/*
 * Returns whether a transition went by untold since the last one: @from is not the state that the
 * connection was seen to enter. An inexact entry is no gap, because a socket that a snapshot found
 * may have moved on before it was remembered.
 */
LIFECYCLE_FN int lifecycle_is_gap(const struct lifecycle *l, __u8 from)
{
	return l->state != from && l->since == TCPDWELL_DWELL_EXACT;
}

/*
 * Sets *@dwell_ns to how long the connection was in @from, which it leaves at @now_ns, and returns
 * how exact that is (enum tcpdwell_dwell).
 *
 * If the remembered state is not @from, a transition went by unseen. Then the dwell is unknown, and
 * nothing is made up.
 */
LIFECYCLE_FN __u8 lifecycle_dwell(const struct lifecycle *l, __u8 from, __u64 now_ns,
				  __u64 *dwell_ns)
{
	*dwell_ns = 0;
	if (l->state != from || l->since == TCPDWELL_DWELL_UNKNOWN || now_ns < l->since_ns)
		return TCPDWELL_DWELL_UNKNOWN;
	*dwell_ns = now_ns - l->since_ns;
	return l->since;
}

/* What the tracepoint's reader knows about the socket besides the two states. */
enum lifecycle_fact {
	LIFECYCLE_QUEUED = 1U << 0,    /* no process has it: it waits in an accept queue */
	LIFECYCLE_ATTACHED = 1U << 1,  /* a descriptor still leads to it */
	LIFECYCLE_NO_PORT = 1U << 2,   /* it has no local port */
	LIFECYCLE_PEER_DONE = 1U << 3, /* the peer's FIN came (tcp_fin(): SOCK_DONE) */
	/* A timewait socket would have been seen, and none was. */
	LIFECYCLE_NO_TW = 1U << 4,
	LIFECYCLE_NO_LINGER2 = 1U << 5, /* TCP_LINGER2 < 0: an orphan is reset in FIN_WAIT2 */
	LIFECYCLE_UNACKED = 1U << 6,	/* the peer has not acknowledged our FIN */
	LIFECYCLE_DATA_CAME = 1U << 7,	/* data came after the process had let go */
	LIFECYCLE_LINGERED = 1U << 8,	/* it was in FIN_WAIT2, and its timer ran out */
	LIFECYCLE_REPAIR = 1U << 9,	/* TCP_REPAIR is on */
	LIFECYCLE_ORPHAN = 1U << 10,	/* no process will have it again */
	LIFECYCLE_NETNS_GONE = 1U << 11,
	LIFECYCLE_KEEPALIVE = 1U << 12,	   /* only probes were sent, and they ran out */
	LIFECYCLE_USER_TIMEOUT = 1U << 13, /* TCP_USER_TIMEOUT is set, and has passed */
	LIFECYCLE_UNSENT = 1U << 14,	   /* connect() failed before it sent a SYN */
};

/*
 * Returns the error that ended a connection: @err is what its socket holds on the way from @from to
 * CLOSE, unless that was there before.
 *
 * tcp_disconnect() leaves ECONNRESET behind if it sends a reset, and what ended a connection stays
 * until the process asks for it. The next connect() clears it when it sends the SYN
 * (tcp_connect_init()); listen() does not. The ACK of our FIN ends LAST_ACK, which no error does:
 * with IP_RECVERR tcp_v4_err() sets the ICMP error while the connection goes on.
 */
LIFECYCLE_FN int lifecycle_end_error(__u8 from, int err, __u32 facts)
{
	if (from == TCPDWELL_LISTEN || facts & LIFECYCLE_UNSENT)
		return 0;
	return from == TCPDWELL_LAST_ACK && !(facts & LIFECYCLE_UNACKED) ? 0 : err;
}

/*
 * Returns by what call the running process causes this transition: connect, listen or close;
 * TCPDWELL_OWNER_NONE if it does not cause it.
 *
 * All other transitions run in a softirq on top of whatever task was interrupted. Only close,
 * shutdown and exit reach tcp_close_state() (net/ipv4/tcp.c). The process causes a move to CLOSE if
 * the socket holds no error and is attached to a descriptor, and neither a FIN nor a timewait
 * socket explains the move. That covers tcp_disconnect(), linger 0, unread data (tcp_close()), and
 * a connect() that failed within its own call.
 */
LIFECYCLE_FN __u8 lifecycle_actor(__u8 from, __u8 to, int err, __u32 facts)
{
	if (to == TCPDWELL_SYN_SENT || (from == TCPDWELL_CLOSE && to == TCPDWELL_ESTABLISHED))
		return TCPDWELL_OWNER_CONNECT; /* TCP_REPAIR goes straight to ESTABLISHED */
	if (to == TCPDWELL_LISTEN)
		return TCPDWELL_OWNER_LISTEN;
	if (to == TCPDWELL_FIN_WAIT1 || to == TCPDWELL_LAST_ACK)
		return TCPDWELL_OWNER_CLOSE;
	if (to != TCPDWELL_CLOSE)
		return TCPDWELL_OWNER_NONE;
	if (from == TCPDWELL_LISTEN)
		return TCPDWELL_OWNER_CLOSE;
	if (lifecycle_end_error(from, err, facts) || !(facts & LIFECYCLE_ATTACHED))
		return TCPDWELL_OWNER_NONE;
	switch (from) {
	case TCPDWELL_SYN_SENT:
	case TCPDWELL_SYN_RECV:
	case TCPDWELL_ESTABLISHED:
	case TCPDWELL_CLOSE_WAIT:
	case TCPDWELL_FIN_WAIT1:
		return TCPDWELL_OWNER_CLOSE;
	case TCPDWELL_FIN_WAIT2:
		return facts & LIFECYCLE_PEER_DONE ? TCPDWELL_OWNER_NONE : TCPDWELL_OWNER_CLOSE;
	case TCPDWELL_CLOSING:
	case TCPDWELL_LAST_ACK:
		return facts & LIFECYCLE_UNACKED ? TCPDWELL_OWNER_CLOSE : TCPDWELL_OWNER_NONE;
	}
	return TCPDWELL_OWNER_NONE;
}

/*
 * Returns whether the connection ended before this side had sent the peer what is due to it. The
 * socket holds no error, and @facts describe it. This side caused such an end itself.
 *
 * In TCP_REPAIR tcp_disconnect() and therefore close() send nothing. The kernel ends an orphan
 * whose FIN is not acknowledged, on close() or when it would send again, if there are more than
 * tcp_max_orphans, if there is no memory (tcp_check_oom()), or if its namespace is gone
 * (check_net()). If data comes after close(), the socket holds an error instead.
 */
LIFECYCLE_FN int lifecycle_is_cut_off(__u8 from, __u32 facts)
{
	switch (from) {
	case TCPDWELL_SYN_RECV:
	case TCPDWELL_ESTABLISHED:
	case TCPDWELL_CLOSE_WAIT:
	case TCPDWELL_FIN_WAIT1:
		return 1;
	case TCPDWELL_FIN_WAIT2:
		return (facts & (LIFECYCLE_PEER_DONE | LIFECYCLE_ATTACHED)) == LIFECYCLE_ATTACHED;
	case TCPDWELL_CLOSING:
	case TCPDWELL_LAST_ACK:
		return !!(facts & LIFECYCLE_UNACKED);
	}
	return 0;
}

/*
 * Returns why a connection went from @from to CLOSE. @err is the error that its socket holds.
 *
 * tcp_reset() (net/ipv4/tcp_input.c) sets ECONNREFUSED in SYN_SENT, EPIPE in CLOSE_WAIT and
 * ECONNRESET elsewhere before it closes. tcp_write_err() sets ETIMEDOUT or the ICMP error when
 * retransmissions, keep-alive probes or TCP_USER_TIMEOUT have run out. tcp_abort() sets
 * ECONNABORTED.
 *
 * close() with unread data, linger 0 and tcp_disconnect() set no error before the transition. They
 * send no reset either once our FIN is out (tcp_need_reset()). So the end of CLOSING and LAST_ACK
 * is theirs if that FIN is not acknowledged.
 *
 * If a connection should have become a timewait socket and did not, it ran into tcp_max_tw_buckets
 * (tcp_time_wait(): TCPTIMEWAITOVERFLOW). This does not hold for an orphan whose FIN is
 * acknowledged while close() still has the socket. It stays a full socket, and a timer gives it up
 * if the peer's FIN does not come (tcp_rcv_state_process(), tcp_keepalive_timer()). Where timewait
 * sockets are not seen, an orphan that becomes one in FIN_WAIT2 may end in any way.
 *
 * The kernel answers data that nobody can read any more with a reset (tcp_rcv_state_process():
 * TCPABORTONDATA). The socket then holds ECONNRESET like one that received a reset. If the same
 * segment acknowledges our FIN, it holds no error.
 */
LIFECYCLE_FN __u8 lifecycle_reason(__u8 from, int err, __u32 facts)
{
	switch (lifecycle_end_error(from, err, facts)) {
	case 0:
		break;
	case LIFECYCLE_ECONNRESET:
		if (facts & LIFECYCLE_DATA_CAME &&
		    (from == TCPDWELL_FIN_WAIT1 || from == TCPDWELL_FIN_WAIT2))
			return TCPDWELL_REASON_RESET_SENT;
		return TCPDWELL_REASON_RESET_RECEIVED;
	case LIFECYCLE_EPIPE:
		return TCPDWELL_REASON_RESET_RECEIVED;
	case LIFECYCLE_ETIMEDOUT:
		if (facts & LIFECYCLE_USER_TIMEOUT)
			return TCPDWELL_REASON_USER_TIMEOUT;
		return facts & LIFECYCLE_KEEPALIVE ? TCPDWELL_REASON_KEEPALIVE_TIMEOUT :
						     TCPDWELL_REASON_TIMEOUT;
	case LIFECYCLE_ECONNREFUSED:
	case LIFECYCLE_EHOSTUNREACH:
	case LIFECYCLE_ENETUNREACH:
	case LIFECYCLE_EHOSTDOWN:
	case LIFECYCLE_ENETDOWN:
	case LIFECYCLE_ENOPROTOOPT:
	case LIFECYCLE_EOPNOTSUPP:
	case LIFECYCLE_EPROTO:
		return err == LIFECYCLE_ECONNREFUSED ? TCPDWELL_REASON_REFUSED :
						       TCPDWELL_REASON_UNREACHABLE;
	default:
		return TCPDWELL_REASON_ABORTED;
	}

	if (facts & LIFECYCLE_QUEUED)
		return TCPDWELL_REASON_LISTENER_CLOSED;
	if (lifecycle_is_cut_off(from, facts)) {
		if (facts & LIFECYCLE_REPAIR)
			return TCPDWELL_REASON_REPAIR;
		if (facts & LIFECYCLE_NETNS_GONE)
			return TCPDWELL_REASON_NETNS_GONE;
		if (facts & LIFECYCLE_ORPHAN)
			return TCPDWELL_REASON_ORPHAN_OVERFLOW;
	}
	switch (from) {
	case TCPDWELL_LISTEN:
		return TCPDWELL_REASON_LISTENER_CLOSED;
	case TCPDWELL_SYN_SENT:
		return facts & LIFECYCLE_NO_PORT ? TCPDWELL_REASON_NO_LOCAL_PORT :
						   TCPDWELL_REASON_ABORTED;
	case TCPDWELL_FIN_WAIT2:
		if (!(facts & LIFECYCLE_PEER_DONE) &&
		    facts & (LIFECYCLE_ATTACHED | LIFECYCLE_NO_LINGER2 | LIFECYCLE_DATA_CAME))
			return TCPDWELL_REASON_RESET_SENT;
		if (!(facts & LIFECYCLE_NO_TW))
			return facts & LIFECYCLE_PEER_DONE ? TCPDWELL_REASON_FIN :
							     TCPDWELL_REASON_NONE;
		return (facts & (LIFECYCLE_PEER_DONE | LIFECYCLE_LINGERED)) == LIFECYCLE_LINGERED ?
			       TCPDWELL_REASON_TIMEOUT :
			       TCPDWELL_REASON_TIMEWAIT_OVERFLOW;
	case TCPDWELL_CLOSING:
		if (facts & LIFECYCLE_UNACKED)
			return TCPDWELL_REASON_ABORTED;
		return facts & LIFECYCLE_NO_TW ? TCPDWELL_REASON_TIMEWAIT_OVERFLOW :
						 TCPDWELL_REASON_FIN;
	case TCPDWELL_LAST_ACK:
		return facts & LIFECYCLE_UNACKED ? TCPDWELL_REASON_ABORTED : TCPDWELL_REASON_FIN;
	}
	return TCPDWELL_REASON_RESET_SENT;
}

/*
 * Returns the error that a row shows. A connect() that finds no free port returns EADDRNOTAVAIL to
 * its caller without leaving it in the socket. An end by FINs leaves no error, and neither
 * does that of a listener: see lifecycle_end_error().
 */
LIFECYCLE_FN __u16 lifecycle_error(__u8 reason, int err)
{
	if (reason == TCPDWELL_REASON_NO_LOCAL_PORT)
		return LIFECYCLE_EADDRNOTAVAIL;
	return reason == TCPDWELL_REASON_FIN || reason == TCPDWELL_REASON_LISTENER_CLOSED ? 0 : err;
}

#endif /* TCPDWELL_LIFECYCLE_H */
