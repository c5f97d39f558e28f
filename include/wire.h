/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF object and user space share: the records in the ring, the counters, the limits.
 *
 * The kernel side writes records that are read on the same host. They consist of fixed-width types
 * in host byte order. Ports are in host order too, because the kernel side has converted them;
 * addresses are in network order. Every record begins with kind and size, so a reader can pass over
 * one that it does not know.
 */
#ifndef TCPDWELL_WIRE_H
#define TCPDWELL_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define TCPDWELL_COMM_LEN 16

/* Hash tables of connections, each twice as large as the one before (user/kernel/tables.c). */
#define TCPDWELL_TABLES 8

/*
 * The number of slots in one map for connections of recent sockets, and the number of these maps.
 * A map has as many slots as a CPU takes cookies at a time (COOKIE_LOCAL_BATCH,
 * include/linux/cookie.h).
 */
#define TCPDWELL_RECENT_SLOTS 4096
#define TCPDWELL_RECENT_MAPS  32

/*
 * The most rings of records that there are. There are several, because one would keep many CPUs
 * waiting.
 */
#define TCPDWELL_RINGS 32

/* Workspaces of a CPU for transitions that nest: one for each context that the kernel knows. */
#define TCPDWELL_WORKSPACES 4

/* The most items of a filter's list that the kernel side looks through one by one. */
#define TCPDWELL_FILTER_IDS 64

/* States carry the kernel's numbers (include/net/tcp_states.h), which are part of its ABI. */
enum tcpdwell_state {
	TCPDWELL_ESTABLISHED = 1,
	TCPDWELL_SYN_SENT = 2,
	TCPDWELL_SYN_RECV = 3,
	TCPDWELL_FIN_WAIT1 = 4,
	TCPDWELL_FIN_WAIT2 = 5,
	TCPDWELL_TIME_WAIT = 6,
	TCPDWELL_CLOSE = 7,
	TCPDWELL_CLOSE_WAIT = 8,
	TCPDWELL_LAST_ACK = 9,
	TCPDWELL_LISTEN = 10,
	TCPDWELL_CLOSING = 11,
	TCPDWELL_STATE_MAX = 12, /* one past the last */
};

enum tcpdwell_kind {
	TCPDWELL_TRANSITION = 1,
	TCPDWELL_SOCKET = 2,
	TCPDWELL_CONNECTION = 3,
};

/* How exact dwell_ns is. */
enum tcpdwell_dwell {
	TCPDWELL_DWELL_UNKNOWN = 0,
	TCPDWELL_DWELL_EXACT = 1,
	TCPDWELL_DWELL_AT_LEAST = 2,
};

/* How the owner is known. NONE means that pid and comm say nothing. */
enum tcpdwell_owner {
	TCPDWELL_OWNER_NONE = 0,
	TCPDWELL_OWNER_CONNECT = 1,
	TCPDWELL_OWNER_LISTEN = 2,
	TCPDWELL_OWNER_ACCEPT = 3,
	TCPDWELL_OWNER_CLOSE = 4,
	TCPDWELL_OWNER_SCAN = 5,
	TCPDWELL_OWNER_MAX = 6,
};

/* The kind of kernel object that told of the transition. */
enum tcpdwell_source {
	TCPDWELL_SOURCE_TRACEPOINT = 0,
	TCPDWELL_SOURCE_REQUEST_SOCK = 1,
	TCPDWELL_SOURCE_TIMEWAIT_SOCK = 2,
	TCPDWELL_SOURCE_MAX = 3,
};

/* Why a connection reached CLOSE. */
enum tcpdwell_reason {
	TCPDWELL_REASON_NONE = 0,
	TCPDWELL_REASON_FIN = 1,	    /* both sides sent FIN, and all is acknowledged */
	TCPDWELL_REASON_RESET_RECEIVED = 2, /* the peer's RST */
	TCPDWELL_REASON_RESET_SENT = 3,	    /* our RST: linger 0, unread data, disconnect */
	TCPDWELL_REASON_REFUSED = 4,	    /* our SYN met RST or ICMP port unreachable */
	TCPDWELL_REASON_TIMEOUT = 5,	    /* retransmissions ran out */
	TCPDWELL_REASON_UNREACHABLE = 6,    /* ICMP: host, network or protocol */
	TCPDWELL_REASON_ABORTED = 7,	    /* given up by this side, with no RST due */
	/* The listener itself closed, or the child waited in its accept queue when it closed. */
	TCPDWELL_REASON_LISTENER_CLOSED = 8,
	TCPDWELL_REASON_NO_LOCAL_PORT = 9, /* connect() found no free port: EADDRNOTAVAIL */
	TCPDWELL_REASON_TIMEWAIT_EXPIRED = 10,
	TCPDWELL_REASON_TIMEWAIT_REUSED = 11, /* by connect() or by a SYN */
	TCPDWELL_REASON_TIMEWAIT_RESET = 12,
	TCPDWELL_REASON_TIMEWAIT_OVERFLOW = 13, /* tcp_max_tw_buckets: closed without TIME_WAIT */
	TCPDWELL_REASON_NETNS_GONE = 14,
	TCPDWELL_REASON_QUEUE_OVERFLOW = 15,  /* dropped from a full SYN or accept queue */
	TCPDWELL_REASON_REPAIR = 16,	      /* closed in TCP_REPAIR: nothing was sent */
	TCPDWELL_REASON_ORPHAN_OVERFLOW = 17, /* tcp_max_orphans, or no memory for sockets */
	TCPDWELL_REASON_KEEPALIVE_TIMEOUT = 18,
	TCPDWELL_REASON_USER_TIMEOUT = 19, /* TCP_USER_TIMEOUT */
	TCPDWELL_REASON_MAX = 20,
};

/* The unit of dwell_error. */
#define TCPDWELL_ERROR_UNIT_NS 100000

/*
 * One state transition.
 *
 * time_ns is CLOCK_MONOTONIC at the transition itself, even if the record was written later.
 * dwell_ns is the time spent in @from, and @dwell says how exact it is; an exact one may be off by
 * dwell_error. cookie is what `ss -e` prints as sk:, where the kernel lets a tracer ask for it. An
 * IPv4 address (v4-mapped ones too) takes the first four bytes of its field; the rest is zero. A
 * port of 0 is not known.
 */
struct tcpdwell_transition {
	__u16 kind;
	__u16 size;
	__u8 from;
	__u8 to;
	__u8 family; /* 4 or 6 */
	__u8 source;
	__u64 time_ns; /* at the same offset in each record */
	__u64 dwell_ns;
	__u64 cookie;
	__u64 cgroup_id;
	__u32 netns; /* inode of the network namespace */
	__u32 pid;   /* thread group of the owner */
	/* Of the socket, in the initial user namespace. */
	__u32 uid;
	__u8 dwell;
	__u8 owner;
	__u8 reason;
	__u8 dwell_error; /* in TCPDWELL_ERROR_UNIT_NS, rounded up */
	__u16 err;	  /* errno that the socket holds, 0: none */
	__u16 lport;
	__u16 rport;
	__u16 holders; /* processes that hold the socket, 0: not counted */
	char comm[TCPDWELL_COMM_LEN];
	__u8 laddr[16];
	__u8 raddr[16];
};

_Static_assert(sizeof(struct tcpdwell_transition) == 112, "a record is 112 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_transition, time_ns) == 8, "time_ns at 8");
_Static_assert(__builtin_offsetof(struct tcpdwell_transition, netns) == 40, "netns at 40");
_Static_assert(__builtin_offsetof(struct tcpdwell_transition, err) == 56, "err at 56");
_Static_assert(__builtin_offsetof(struct tcpdwell_transition, comm) == 64, "comm at 64");
_Static_assert(__builtin_offsetof(struct tcpdwell_transition, laddr) == 80, "laddr at 80");

/*
 * How a socket uses its local port, which decides what the port is closed to. A port that bind()
 * took before connect() is closed to every connect() of its namespace, whatever the destination,
 * and to bind() with the same address. A port that connect() chose is closed to connect() between
 * the same two ends, and to bind() with the same address. Sockets that are bound to different
 * interfaces do not conflict.
 */
struct tcpdwell_port_use {
	__u32 scope; /* index of the interface that the socket is bound to, 0: none */
	/*
	 * IP_LOCAL_PORT_RANGE, 0: not set. It is read only for transitions into and out of
	 * SYN_SENT.
	 */
	__u16 low;
	__u16 high;
	__u8 bound; /* whether bind() took the port */
	__u8 pad[7];
};

/*
 * The longer form of a transition, which `timewait` asks for; the record's size tells the two
 * apart.
 */
struct tcpdwell_port_transition {
	struct tcpdwell_transition t;
	struct tcpdwell_port_use use;
};

_Static_assert(sizeof(struct tcpdwell_port_use) == 16, "a use of a port is 16 bytes");

/* Bits: what else is to be known of a socket that perhaps no descriptor leads to. */
enum tcpdwell_socket_flag {
	TCPDWELL_SOCKET_QUEUED = 1 << 0, /* waits in an accept queue; the owner is the listener's */
	/* It has a file, so some process has it; we may not be allowed to see which. */
	TCPDWELL_SOCKET_HELD = 1 << 1,
	TCPDWELL_SOCKET_REQUEST = 1 << 2, /* a handshake; the owner is the listener's */
	/* The process pid has it as a fixed file of io_uring, without an fd. */
	TCPDWELL_SOCKET_FIXED = 1 << 3,
	TCPDWELL_SOCKET_IN_FLIGHT = 1 << 4, /* waits in the queue of owner_pid's unix socket */
	/* The kernel made it for itself, as NFS does; no process has it. */
	TCPDWELL_SOCKET_KERNEL = 1 << 5,
	/* Of a request: the client has answered; it is to send data, or the queue is full. */
	TCPDWELL_SOCKET_ANSWERED = 1 << 6,
};

/* The value of fd if the process has the socket without a descriptor. */
#define TCPDWELL_NO_FD ((__u32)-1)

/* Which timer of a socket runs, and so what the socket waits for. */
enum tcpdwell_timer {
	TCPDWELL_TIMER_NONE = 0,
	/* For data, a FIN or a SYN; loss probes and the reordering timer count as this too. */
	TCPDWELL_TIMER_RETRANSMIT = 1,
	TCPDWELL_TIMER_KEEPALIVE = 2, /* also for an orphan in FIN_WAIT2 that is a full socket */
	TCPDWELL_TIMER_TIMEWAIT = 3,
	TCPDWELL_TIMER_PROBE = 4, /* for a window that is zero */
	TCPDWELL_TIMER_REQUEST = 5,
	TCPDWELL_TIMER_MAX = 6,
};

/* Bits: which members of struct tcpdwell_detail are known. */
enum tcpdwell_known {
	TCPDWELL_KNOWN_TIMER = 1 << 0,	   /* expires_ns to rto_ns, and timer to backoff */
	TCPDWELL_KNOWN_QUEUES = 1 << 1,	   /* recv_bytes and send_bytes */
	TCPDWELL_KNOWN_OPTIONS = 1 << 2,   /* user_timeout_ms to linger2_s, and err_soft */
	TCPDWELL_KNOWN_KEEPALIVE = 1 << 3, /* whether keep-alive is on */
	TCPDWELL_KNOWN_ORPHAN = 1 << 4,	   /* whether it is an orphan */
	TCPDWELL_KNOWN_SILENT = 1 << 5,	   /* silent_ns; 0: something was heard just now */
};

/* Bits: answers to yes-or-no questions. */
enum tcpdwell_detail_flag {
	TCPDWELL_DETAIL_ORPHAN = 1 << 0,    /* its process has closed the socket */
	TCPDWELL_DETAIL_KEEPALIVE = 1 << 1, /* SO_KEEPALIVE */
};

/*
 * What a socket waits for, and what the process told it to do in that case. It is read only if the
 * command asks for it. For a request, syn_retries is its listener's. An option that is 0 has the
 * namespace's setting.
 */
struct tcpdwell_detail {
	__u64 expires_ns;    /* until the timer runs out */
	__u64 retransmit_ns; /* since the first retransmission, 0: not known */
	__u64 silent_ns;     /* since something was last heard */
	__u64 rto_ns;	     /* retransmission timeout with its doublings, 0: not known */
	__u32 recv_bytes;    /* what the process has not read; the peer's FIN counts as one */
	__u32 send_bytes;    /* what the peer has not acknowledged; SYN and FIN count as one each */
	__u32 total_retransmits;
	__u32 user_timeout_ms;
	__u32 keepalive_time_s;
	__u32 keepalive_intvl_s;
	__u32 rto_max_ms;
	__s32 linger2_s; /* negative: no FIN_WAIT2 without a process */
	__u16 err_soft;	 /* errno, 0: none */
	__u8 keepalive_probes;
	__u8 syn_retries;
	__u8 timer; /* enum tcpdwell_timer */
	/* How often the timer has sent the same thing again; of a request, its SYN-ACK. */
	__u8 retransmits;
	__u8 probes_out;
	__u8 backoff;
	__u8 known; /* enum tcpdwell_known */
	__u8 flags; /* enum tcpdwell_detail_flag */
	__u8 pad[6];
};

_Static_assert(sizeof(struct tcpdwell_detail) == 80, "a detail is 80 bytes");

/*
 * A socket as the snapshot finds it. There is one record for each descriptor that leads to it, and
 * one (pid 0) for its place in the hash tables. key is the same in all records of a socket, and no
 * other socket has it.
 */
struct tcpdwell_socket {
	__u16 kind;
	__u16 size;
	__u8 state;
	__u8 family; /* 4 or 6 */
	__u8 since;  /* enum tcpdwell_dwell: how exact since_ns is */
	__u8 flags;
	__u64 key;
	/* CLOCK_MONOTONIC: in this state since then, or since then at the latest. */
	__u64 since_ns;
	__u64 active_ns; /* new data last came or went no later than this; 0: not known */
	__u64 cgroup_id; /* the socket's */
	__u32 netns;
	__u32 uid;
	__u32 pid; /* thread group of the holder, 0: a place in the hash tables */
	__u32 fd;
	__u32 owner_pid; /* the owner that a row would name */
	__u8 owner;
	/* As in struct tcpdwell_port_use; so are scope, ports_low and ports_high. */
	__u8 bound;
	/* IPV6_V6ONLY is set, so an address of :: does not mean 0.0.0.0 as well. */
	__u8 v6only;
	__u8 pad;
	/* Of a listener: connections that wait for accept(), and their limit. */
	__u32 queued;
	__u32 queue_max;
	__u16 lport;
	__u16 rport;
	__u32 drops;		      /* of a listener: connections it had no room for */
	char comm[TCPDWELL_COMM_LEN]; /* the holder's, else the owner's */
	__u8 laddr[16];
	__u8 raddr[16];
	/* It was not in this state before; 0: not known. */
	__u64 since_earliest_ns;
	__u64 active_earliest_ns; /* new data last came or went no earlier; 0: not known */
	__u64 inode;		  /* the one that /proc/PID/fd shows; 0: none, or not known */
	__u32 scope;
	__u16 ports_low;
	__u16 ports_high;
	struct tcpdwell_detail detail;
};

_Static_assert(sizeof(struct tcpdwell_socket) == 240, "a socket is 240 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_socket, netns) == 40, "netns at 40");
_Static_assert(__builtin_offsetof(struct tcpdwell_socket, comm) == 80, "comm at 80");

/* Bits of struct tcpdwell_numbers. */
enum tcpdwell_number_flag {
	TCPDWELL_NUMBERS_READ = 1 << 0,	     /* there was a full socket to read them from */
	TCPDWELL_NUMBERS_PEER_DONE = 1 << 1, /* the socket has processed the peer's FIN */
	TCPDWELL_NUMBERS_QUEUED = 1 << 2,    /* something waits to be read */
};

/*
 * What a full socket counts, in the way of struct tcp_sock. The figures are bytes of data, with
 * exceptions: bytes_acked counts a SYN as one, bytes_acked and bytes_received count a FIN as one,
 * and the differences of sequence numbers count either as one (user/model/life.h).
 */
struct tcpdwell_numbers {
	__u64 bytes_sent; /* retransmitted ones included */
	__u64 bytes_retrans;
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 in_flight;     /* snd_nxt - snd_una */
	__u32 unacked;	     /* write_seq - snd_una */
	__u32 unread;	     /* rcv_nxt - copied_seq */
	__u32 segments_sent; /* segments with data */
	__u32 segments_received;
	__u32 retransmits;
	__u32 srtt_us;	  /* in eighths of a microsecond, 0: none was measured */
	__u32 rtt_min_us; /* ~0: none was measured */
	__u8 flags;
	__u8 state; /* the state that the socket was in */
	__u8 pad[6];
};

_Static_assert(sizeof(struct tcpdwell_numbers) == 72, "numbers are 72 bytes");

/* How many dwells a life has room for. */
#define TCPDWELL_LIFE_DWELLS 6

/*
 * Returns the index of the dwell of @state, a valid one, in struct tcpdwell_life; the state has no
 * dwell there if that is TCPDWELL_LIFE_DWELLS or more. A connection closes actively (FIN_WAIT1,
 * then FIN_WAIT2 or CLOSING) or passively (CLOSE_WAIT, LAST_ACK). So it enters only one of the
 * states that share an index.
 */
static inline __u32 tcpdwell_life_index(__u32 state)
{
#define TCPDWELL_LIFE_INDEX(state, index) ((__u64)(index) << (state)*4)
	const __u64 indices = TCPDWELL_LIFE_INDEX(TCPDWELL_ESTABLISHED, 0) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_SYN_SENT, 1) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_SYN_RECV, 2) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_FIN_WAIT1, 3) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_CLOSE_WAIT, 3) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_FIN_WAIT2, 4) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_CLOSING, 4) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_LAST_ACK, 4) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_TIME_WAIT, 5) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_CLOSE, 15) |
			      TCPDWELL_LIFE_INDEX(TCPDWELL_LISTEN, 15);

	return indices >> state * 4 & 15;
}

/*
 * What a connection did, from state to state. No state is entered twice. All that is summed on the
 * way to the last state is in the first 64 bytes: a line of the cache.
 */
struct tcpdwell_life {
	__u64 opened_ns;   /* CLOCK_MONOTONIC, 0: not known */
	__u64 accepted_ns; /* 0: it was not accepted, or that was not seen */
	/* Two bits for each state, those of state 1 the lowest: enum tcpdwell_dwell. */
	__u32 worth;
	__u16 visited; /* mask of the numbers of states */
	/* How exact opened_ns is (enum tcpdwell_dwell); AT_LEAST: it was already open then. */
	__u8 opened;
	/* Used in the kernel only: numbers were kept from a full socket that is gone. */
	__u8 kept;
	__u64 dwell_ns[TCPDWELL_LIFE_DWELLS]; /* by tcpdwell_life_index() */
	struct tcpdwell_numbers numbers;
};

_Static_assert(sizeof(struct tcpdwell_life) == 144, "a life is 144 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_life, dwell_ns) == 24, "dwells at 24");
_Static_assert(__builtin_offsetof(struct tcpdwell_life, numbers) == 72, "numbers at 72");

/* Returns the bits of a state in tcpdwell_life.worth, as a shift. */
static inline __u32 tcpdwell_life_worth_at(__u32 state)
{
	return (state - 1) * 2;
}

/* Bits of struct tcpdwell_connection. */
enum tcpdwell_connection_flag {
	TCPDWELL_CONNECTION_OPEN = 1 << 0, /* it goes on; ended_ns is when it was looked at */
};

/*
 * A connection that has ended, or whose full socket has. Members that struct tcpdwell_transition
 * has too mean the same here. reason and err are those of the last transition.
 */
struct tcpdwell_connection {
	__u16 kind;
	__u16 size;
	__u8 state;  /* the state that the connection is left in */
	__u8 family; /* 4 or 6 */
	__u8 flags;
	__u8 reason;
	__u64 ended_ns;
	__u64 cookie;
	__u64 cgroup_id;
	__u32 netns;
	__u32 pid;
	__u32 uid;
	__u16 err;
	__u16 lport;
	__u16 rport;
	__u16 holders;
	__u8 owner;
	__u8 pad[3];
	char comm[TCPDWELL_COMM_LEN];
	__u8 laddr[16];
	__u8 raddr[16];
	struct tcpdwell_life life;
};

_Static_assert(sizeof(struct tcpdwell_connection) == 248, "a connection is 248 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_connection, netns) == 32, "netns at 32");
_Static_assert(__builtin_offsetof(struct tcpdwell_connection, comm) == 56, "comm at 56");
_Static_assert(__builtin_offsetof(struct tcpdwell_connection, life) == 104, "life at 104");

/* System calls whose failures are counted. Of accept(), success is counted, too, with errno 0. */
enum tcpdwell_call {
	TCPDWELL_CALL_CONNECT = 0,
	TCPDWELL_CALL_BIND = 1,
	TCPDWELL_CALL_LISTEN = 2,
	TCPDWELL_CALL_ACCEPT = 3,
};

/*
 * The key under which failures of connect(), bind() or listen() are counted, with the process, the
 * error that the call returned and the address that it was given or, for listen() and accept(),
 * that the socket is bound to. An IPv4 address (v4-mapped ones too) takes the first four bytes. The
 * port is in host order.
 */
struct tcpdwell_failed_call {
	__u32 pid;
	__u32 netns;
	__u16 err;
	__u16 port;
	__u8 call;
	__u8 family; /* 4 or 6 */
	__u8 v6only; /* as struct tcpdwell_socket has it */
	__u8 pad;
	__u8 addr[16];
};

_Static_assert(sizeof(struct tcpdwell_failed_call) == 32, "a key without holes");

struct tcpdwell_failed_calls {
	__u64 count;
	char comm[TCPDWELL_COMM_LEN];
};

/* Frames and bytes of a user stack that are kept. With both, an element of the map fills 2 KiB. */
#define TCPDWELL_STACK_FRAMES 24
#define TCPDWELL_STACK_BYTES  960

/*
 * struct tcpdwell_frame is struct bpf_stack_build_id (include/uapi/linux/bpf.h). This is its status
 * if the file is known.
 */
#define TCPDWELL_FRAME_VALID 1

struct tcpdwell_frame {
	__s32 status;
	__u8 build_id[20];
	__u64 offset; /* in the file, if that is known; else the address */
};

/*
 * Where a process was when it connected or accepted. ips has the return addresses that frame
 * pointers lead to. frames has the same as places in files, which still mean something when the
 * process is gone. The registers and the top of the stack are there for code without frame
 * pointers.
 */
struct tcpdwell_stack {
	__u64 time_ns; /* 0: the record is being written */
	__u32 pid;
	__u8 how; /* TCPDWELL_OWNER_ACCEPT or TCPDWELL_OWNER_CONNECT */
	__u8 pad[3];
	__s32 ip_bytes; /* length of ips in bytes, negative: an errno */
	__s32 frame_bytes;
	__u32 top_bytes; /* length of top, 0: ip to lr are not known */
	__u32 pad2;
	__u64 ip;
	__u64 sp;
	__u64 fp;
	__u64 lr; /* on arm64; it means nothing elsewhere */
	__u64 ips[TCPDWELL_STACK_FRAMES];
	struct tcpdwell_frame frames[TCPDWELL_STACK_FRAMES];
	__u8 top[TCPDWELL_STACK_BYTES]; /* the bytes from sp on */
};

_Static_assert(sizeof(struct tcpdwell_frame) == 32, "a frame is the kernel's");
_Static_assert(sizeof(struct tcpdwell_stack) == 1984, "a stack is 1984 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_stack, ip) == 32, "ip at 32");

/*
 * The kernel side's counters. Each CPU has a set, on cache lines of its own: a transition touches
 * only the first of them. Whenever no program runs on that CPU, its set satisfies, in arithmetic
 * modulo 2^64,
 *
 *	seen = emitted + undated + filtered + held + folded + lost_ring + lost_map
 *
 * A row that must wait for something that it lacks (a port, an owner) is held. The program that
 * ends the wait, possibly on another CPU, takes one from held and adds one to what became of the
 * row.
 */
struct tcpdwell_counters {
	__u64 seen;
	__u64 emitted;
	__u64 undated; /* where rows are only summed: rows with no dwell to add */
	__u64 filtered;
	__u64 held;
	__u64 folded;	 /* rows of a SYN flood, which are counted and not shown */
	__u64 lost_ring; /* no room in the ring */
	/* No room to remember a row that had to wait; with stat also no room for its group. */
	__u64 lost_map;
	/*
	 * The second line begins here: sockets that found the map full. Their rows are shown, with
	 * dwell unknown.
	 */
	__u64 untracked;
	__u64 pad[7];
};

_Static_assert(sizeof(struct tcpdwell_counters) == 128, "a CPU's counters fill two cache lines");
_Static_assert(__builtin_offsetof(struct tcpdwell_counters, untracked) == 64,
	       "the counters of rows fill one of them");

/*
 * For the timer backend: how many timers of requests are armed, counted by the second in which they
 * run out (2^30 ns of jiffies), modulo the number of elements. One CPU may arm a timer and another
 * may take it off, so only the sum over all CPUs means something. When a second is over, none of
 * its timers is armed any more. What is left of the sum are timers whose end the kernel ran no
 * program for.
 */
#define TCPDWELL_TIMER_SECONDS 256

struct tcpdwell_timers {
	__s32 armed[TCPDWELL_TIMER_SECONDS];
};

/* What a run of the flush returns. */
#define TCPDWELL_FLUSH_WAITING 1 /* some row is not old enough yet */
#define TCPDWELL_FLUSH_AGAIN   2 /* there may be more rows that are old enough */

/* A prefix of addresses, as the key of the address filter's map. IPv4 is mapped into IPv6. */
struct tcpdwell_prefix {
	__u32 length;
	__u8 addr[16];
};

/* The most ports that are told apart in a SYN flood, which seldom hits more than one. */
#define TCPDWELL_FLOODS 64

/* What happened at a port while requests to it were counted instead of shown. */
struct tcpdwell_flood {
	__u64 folded;	 /* requests that led to no connection */
	__u64 completed; /* handshakes that were completed */
};

/* The most listeners that are asked whether they send SYN cookies. */
#define TCPDWELL_LISTENERS 4096

/* What a listener and its namespace say about SYN cookies. */
struct tcpdwell_cookies {
	__u64 past_ns; /* since the last one, exact to a second */
	/* Cookies that its namespace has sent since it exists; 0: not known. */
	__u64 sent;
	/* Those of them that came back with the last ACK of a handshake. */
	__u64 valid;
	__u32 netns;
	__u32 pid; /* 0: not known */
	__u16 lport;
	__u8 family; /* 4 or 6 */
	__u8 always; /* each SYN gets a cookie (net.ipv4.tcp_syncookies is 2) */
	__u8 pad[4];
	__u8 laddr[16];
	char comm[TCPDWELL_COMM_LEN];
};

/*
 * The most network namespaces whose sockets the snapshot counts. It looks through further ones
 * without counting.
 */
#define TCPDWELL_NAMESPACES 1024

/* What one run of the snapshot found, by way of descriptors, in a network namespace. */
struct tcpdwell_namespace {
	__u32 round;
	__u32 sockets;	/* sockets in its hash tables, each counted once */
	__u32 requests; /* requests of its listeners */
	__u32 timewait; /* timewait sockets that a walk over the table of connections found */
};

/* Keys that one run of the sweep takes from user space: as many as a program may have arguments. */
#define TCPDWELL_SWEEP_KEYS 12

/* The purpose of a walk over the table of connections (bpf/walk.bpf.h). */
enum tcpdwell_walk_for {
	TCPDWELL_WALK_TIMEWAIT, /* timewait sockets, as a snapshot reports them */
	TCPDWELL_WALK_UNNAMED,	/* sockets without a cookie: the walk reports their ends */
	/* All but requests: the walk reports their ends, and what is left of TIME_WAIT. */
	TCPDWELL_WALK_ENDS,
};

/* Records that a run of the walk has room for, and sockets that it follows in one chain. */
#define TCPDWELL_WALK_RECORDS 192
#define TCPDWELL_WALK_CHAIN   128

/* What a run of the walk leaves behind. */
struct tcpdwell_walk {
	__u32 buckets; /* size of the table; 0: it cannot be reached */
	__u32 next;    /* the bucket to go on with; equal to buckets: the walk is over */
	__u32 count;   /* number of records */
	__u32 broken;  /* chains that were too long, or that changed meanwhile */
	struct tcpdwell_socket records[TCPDWELL_WALK_RECORDS];
};

#endif /* TCPDWELL_WIRE_H */
