/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the BPF object and user space share: the records in the ring, the counters, the limits.
 *
 * Records are written by one kernel and read on the same host: fixed-width types in host byte
 * order, except for ports, which the kernel side already turned to host order, and addresses,
 * which are in network order. Every record begins with kind and size, so a reader can pass over
 * what it does not know.
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
 * Places for connections of recent sockets, and maps of them: as many in each as a CPU takes
 * cookies at a time (COOKIE_LOCAL_BATCH, include/linux/cookie.h).
 */
#define TCPDWELL_RECENT_PLACES 4096
#define TCPDWELL_RECENT_MAPS   32

/* Rings of records at the most, where one would keep many CPUs waiting. */
#define TCPDWELL_RINGS 16

/* Of a CPU: transitions that nest, one of them for each context that the kernel knows. */
#define TCPDWELL_WORKSPACES 4

/* Items of a filter's list that the kernel side looks through one by one. */
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

/* What dwell_ns is worth. */
enum tcpdwell_dwell {
	TCPDWELL_DWELL_UNKNOWN = 0,
	TCPDWELL_DWELL_EXACT = 1,
	TCPDWELL_DWELL_AT_LEAST = 2,
};

/* How the owner is known; NONE means that pid and comm say nothing. */
enum tcpdwell_owner {
	TCPDWELL_OWNER_NONE = 0,
	TCPDWELL_OWNER_CONNECT = 1,
	TCPDWELL_OWNER_LISTEN = 2,
	TCPDWELL_OWNER_ACCEPT = 3,
	TCPDWELL_OWNER_CLOSE = 4,
	TCPDWELL_OWNER_SCAN = 5,
	TCPDWELL_OWNER_MAX = 6,
};

/* What the kernel object was that told of the transition. */
enum tcpdwell_source {
	TCPDWELL_SOURCE_TRACEPOINT = 0,
	TCPDWELL_SOURCE_REQUEST_SOCK = 1,
	TCPDWELL_SOURCE_TIMEWAIT_SOCK = 2,
	TCPDWELL_SOURCE_MAX = 3,
};

/* Why a connection reached CLOSE. */
enum tcpdwell_reason {
	TCPDWELL_REASON_NONE = 0,
	TCPDWELL_REASON_FIN = 1,	     /* both sides sent FIN, all is acknowledged */
	TCPDWELL_REASON_RESET_RECEIVED = 2,  /* the peer's RST */
	TCPDWELL_REASON_RESET_SENT = 3,	     /* ours: linger 0, unread data, disconnect */
	TCPDWELL_REASON_REFUSED = 4,	     /* RST, or ICMP port unreachable, to our SYN */
	TCPDWELL_REASON_TIMEOUT = 5,	     /* retransmissions ran out */
	TCPDWELL_REASON_UNREACHABLE = 6,     /* ICMP: host, network or protocol */
	TCPDWELL_REASON_ABORTED = 7,	     /* given up by its own side, no RST was due */
	TCPDWELL_REASON_LISTENER_CLOSED = 8, /* the listener itself, or its queue with it */
	TCPDWELL_REASON_NO_LOCAL_PORT = 9,   /* connect() found no free port: EADDRNOTAVAIL */
	TCPDWELL_REASON_TIMEWAIT_EXPIRED = 10,
	TCPDWELL_REASON_TIMEWAIT_REUSED = 11, /* by connect() or by a SYN */
	TCPDWELL_REASON_TIMEWAIT_RESET = 12,
	TCPDWELL_REASON_TIMEWAIT_OVERFLOW = 13, /* tcp_max_tw_buckets: closed with no TIME_WAIT */
	TCPDWELL_REASON_NETNS_GONE = 14,
	TCPDWELL_REASON_QUEUE_OVERFLOW = 15,  /* dropped from a full SYN or accept queue */
	TCPDWELL_REASON_REPAIR = 16,	      /* closed in TCP_REPAIR: nothing was sent */
	TCPDWELL_REASON_ORPHAN_OVERFLOW = 17, /* tcp_max_orphans, or no memory for sockets */
	TCPDWELL_REASON_KEEPALIVE_TIMEOUT = 18,
	TCPDWELL_REASON_USER_TIMEOUT = 19, /* TCP_USER_TIMEOUT */
	TCPDWELL_REASON_MAX = 20,
};

/* What dwell_error is counted in. */
#define TCPDWELL_ERROR_UNIT_NS 100000

/*
 * One state transition.
 *
 * time_ns is CLOCK_MONOTONIC at the transition itself, also where the record was written later.
 * dwell_ns is the time spent in @from, worth what @dwell says; an exact one may be off by
 * dwell_error. cookie is what `ss -e` prints as
 * sk: where the kernel lets a tracer ask for it. An IPv4 address (v4-mapped ones too) takes the
 * first four bytes of its field, the rest is zero. A port of 0 is unknown.
 */
struct tcpdwell_transition {
	__u16 kind;
	__u16 size;
	__u8 from;
	__u8 to;
	__u8 family; /* 4 or 6 */
	__u8 source;
	__u64 time_ns; /* where each record has it */
	__u64 dwell_ns;
	__u64 cookie;
	__u64 cgroup_id;
	__u32 netns; /* inode of the network namespace */
	__u32 pid;   /* thread group of the owner */
	__u32 uid;   /* of the socket, in the initial user namespace */
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
 * Whose local ports are in the way of others. A port that bind() took before connect() is closed to
 * every connect() of its namespace, whereto ever, and to bind() of its address; one that connect()
 * chose is closed to connect() between the same ends, and to bind() of its address. Sockets that
 * are bound to different interfaces do not meet.
 */
struct tcpdwell_port_use {
	__u32 scope; /* number of the interface that the socket is bound to, 0: of none */
	__u16 low; /* IP_LOCAL_PORT_RANGE, 0: not set; only on the way into SYN_SENT and from it */
	__u16 high;
	__u8 bound; /* by bind() */
	__u8 pad[7];
};

/* What a transition is where `timewait` asks for it: longer, as its size says. */
struct tcpdwell_port_transition {
	struct tcpdwell_transition t;
	struct tcpdwell_port_use use;
};

_Static_assert(sizeof(struct tcpdwell_port_use) == 16, "a use of a port is 16 bytes");

/* What else is to be known of a socket that no descriptor may lead to. Bits. */
enum tcpdwell_socket_flag {
	TCPDWELL_SOCKET_QUEUED = 1 << 0, /* waits in an accept queue; the owner is the listener's */
	TCPDWELL_SOCKET_HELD = 1 << 1,	 /* has a file, so somebody has it, whom we may not see */
	TCPDWELL_SOCKET_REQUEST = 1 << 2,   /* a handshake; the owner is the listener's */
	TCPDWELL_SOCKET_FIXED = 1 << 3,	    /* pid has it as a fixed file of io_uring, without fd */
	TCPDWELL_SOCKET_IN_FLIGHT = 1 << 4, /* waits in the queue of owner_pid's unix socket */
};

/* What stands for a descriptor where the process that has the socket has none of it. */
#define TCPDWELL_NO_FD ((__u32)-1)

/* The timer of a socket that runs, and so what it waits for. */
enum tcpdwell_timer {
	TCPDWELL_TIMER_NONE = 0,
	TCPDWELL_TIMER_RETRANSMIT =
		1,		      /* of data, a FIN or a SYN; loss probes and reordering, too */
	TCPDWELL_TIMER_KEEPALIVE = 2, /* also of an orphan in FIN_WAIT2 that is a full socket */
	TCPDWELL_TIMER_TIMEWAIT = 3,
	TCPDWELL_TIMER_PROBE = 4, /* of a window that is zero */
	TCPDWELL_TIMER_REQUEST = 5,
	TCPDWELL_TIMER_MAX = 6,
};

/* What of struct tcpdwell_detail is known. Bits. */
enum tcpdwell_known {
	TCPDWELL_KNOWN_TIMER = 1 << 0,	   /* expires_ns to rto_ns, and timer to backoff */
	TCPDWELL_KNOWN_QUEUES = 1 << 1,	   /* recv_bytes and send_bytes */
	TCPDWELL_KNOWN_OPTIONS = 1 << 2,   /* user_timeout_ms to linger2_s, and err_soft */
	TCPDWELL_KNOWN_KEEPALIVE = 1 << 3, /* whether keep-alive is on */
	TCPDWELL_KNOWN_ORPHAN = 1 << 4,	   /* whether it is one */
};

/* Yes or no. Bits. */
enum tcpdwell_detail_flag {
	TCPDWELL_DETAIL_ORPHAN = 1 << 0,    /* its process has closed it */
	TCPDWELL_DETAIL_KEEPALIVE = 1 << 1, /* SO_KEEPALIVE */
};

/*
 * What a socket waits for, and what it was told to do about it; read where the command asks. Of a
 * request, syn_retries is its listener's. An option that is 0 is the namespace's setting.
 */
struct tcpdwell_detail {
	__u64 expires_ns;    /* until the timer runs out */
	__u64 retransmit_ns; /* since the first retransmission, 0: not known */
	__u64 silent_ns;     /* since something was last heard, 0: not known */
	__u64 rto_ns;	     /* as often doubled as it was, 0: not known */
	__u32 recv_bytes;    /* that the process has not read; the peer's FIN is one */
	__u32 send_bytes;    /* that the peer has not acknowledged; SYN and FIN are one each */
	__u32 total_retransmits;
	__u32 user_timeout_ms;
	__u32 keepalive_time_s;
	__u32 keepalive_intvl_s;
	__u32 rto_max_ms;
	__s32 linger2_s; /* negative: no FIN_WAIT2 without a process */
	__u16 err_soft;	 /* errno, 0: none */
	__u8 keepalive_probes;
	__u8 syn_retries;
	__u8 timer;	  /* enum tcpdwell_timer */
	__u8 retransmits; /* of what the timer sends again; of a request, of its SYN-ACK */
	__u8 probes_out;
	__u8 backoff;
	__u8 known; /* enum tcpdwell_known */
	__u8 flags; /* enum tcpdwell_detail_flag */
	__u8 pad[6];
};

_Static_assert(sizeof(struct tcpdwell_detail) == 80, "a detail is 80 bytes");

/*
 * A socket as the snapshot finds it: one record for each descriptor that leads to it, one (pid 0)
 * for its place in the hash tables. key is the same in all of them and no other socket's.
 */
struct tcpdwell_socket {
	__u16 kind;
	__u16 size;
	__u8 state;
	__u8 family; /* 4 or 6 */
	__u8 since;  /* enum tcpdwell_dwell: what since_ns is worth */
	__u8 flags;
	__u64 key;
	__u64 since_ns;	 /* CLOCK_MONOTONIC: in this state since, or at the latest since */
	__u64 active_ns; /* new data last came or went, at the latest; 0: not known */
	__u64 cgroup_id; /* of the socket */
	__u32 netns;
	__u32 uid;
	__u32 pid; /* thread group of the holder, 0: a place in the hash tables */
	__u32 fd;
	__u32 owner_pid; /* what a row would say */
	__u8 owner;
	__u8 bound; /* as struct tcpdwell_port_use has it, and scope, ports_low and ports_high */
	__u8 pad[2];
	__u32 queued; /* of a listener: connections that wait for accept(), and their limit */
	__u32 queue_max;
	__u16 lport;
	__u16 rport;
	__u32 drops;		      /* of a listener: what it had no room for */
	char comm[TCPDWELL_COMM_LEN]; /* the holder's, else the owner's */
	__u8 laddr[16];
	__u8 raddr[16];
	__u64 since_earliest_ns;  /* not in this state before; 0: not known */
	__u64 active_earliest_ns; /* the same of active_ns */
	__u64 inode;		  /* that /proc/PID/fd shows; 0: none, or not known */
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
	TCPDWELL_NUMBERS_PEER_DONE = 1 << 1, /* the peer's FIN was taken in */
	TCPDWELL_NUMBERS_QUEUED = 1 << 2,    /* something waits to be read */
};

/*
 * What a full socket counts, as it counts (struct tcp_sock): bytes of data, but a SYN is one of
 * bytes_acked, a FIN one of that and of bytes_received, and either one of what the differences of
 * sequence numbers span (user/model/life.h).
 */
struct tcpdwell_numbers {
	__u64 bytes_sent; /* with those that were sent again */
	__u64 bytes_retrans;
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 in_flight;     /* snd_nxt - snd_una */
	__u32 unacked;	     /* write_seq - snd_una */
	__u32 unread;	     /* rcv_nxt - copied_seq */
	__u32 segments_sent; /* with data */
	__u32 segments_received;
	__u32 retransmits;
	__u32 srtt_us;	  /* in eighths, 0: none was measured */
	__u32 rtt_min_us; /* ~0: none was measured */
	__u8 flags;
	__u8 state; /* that the socket was in */
	__u8 pad[6];
};

_Static_assert(sizeof(struct tcpdwell_numbers) == 72, "numbers are 72 bytes");

/*
 * What a connection did, from state to state: no state is entered twice. Those of states are by
 * their numbers less 1.
 */
struct tcpdwell_life {
	__u64 opened_ns;   /* CLOCK_MONOTONIC, 0: not known */
	__u64 accepted_ns; /* 0: it was not, or that was not seen */
	__u64 dwell_ns[TCPDWELL_STATE_MAX - 1];
	__u8 dwell[TCPDWELL_STATE_MAX - 1]; /* enum tcpdwell_dwell */
	__u8 opened;			    /* likewise of opened_ns: AT_LEAST: then it was open */
	__u16 visited;			    /* mask of state numbers */
	__u8 kept; /* within the kernel: numbers are those of a full socket that is gone */
	__u8 pad;
	struct tcpdwell_numbers numbers;
};

_Static_assert(sizeof(struct tcpdwell_life) == 192, "a life is 192 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_life, numbers) == 120, "numbers at 120");

/* Bits of struct tcpdwell_connection. */
enum tcpdwell_connection_flag {
	TCPDWELL_CONNECTION_OPEN = 1 << 0, /* it goes on; ended_ns is when it was looked at */
};

/*
 * A connection that has ended, or its full socket has. Members that struct tcpdwell_transition has,
 * too, say the same; reason and err are those of its last transition.
 */
struct tcpdwell_connection {
	__u16 kind;
	__u16 size;
	__u8 state;  /* that it is left in */
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

_Static_assert(sizeof(struct tcpdwell_connection) == 296, "a connection is 296 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_connection, netns) == 32, "netns at 32");
_Static_assert(__builtin_offsetof(struct tcpdwell_connection, comm) == 56, "comm at 56");
_Static_assert(__builtin_offsetof(struct tcpdwell_connection, life) == 104, "life at 104");

/* System calls whose failures are counted. */
enum tcpdwell_call {
	TCPDWELL_CALL_CONNECT = 0,
	TCPDWELL_CALL_BIND = 1,
};

/*
 * connect() or bind() of a process that returned an error, with the address that it was given. An
 * IPv4 address (v4-mapped ones too) takes the first four bytes. The port is in host order.
 */
struct tcpdwell_failed_call {
	__u32 pid;
	__u32 netns;
	__u16 err;
	__u16 port;
	__u8 call;
	__u8 family; /* 4 or 6 */
	__u16 pad;
	__u8 addr[16];
};

_Static_assert(sizeof(struct tcpdwell_failed_call) == 32, "a key without holes");

struct tcpdwell_failed_calls {
	__u64 count;
	char comm[TCPDWELL_COMM_LEN];
};

/* Frames and bytes of a user stack that are kept, so that an element of the map fills 2 KiB. */
#define TCPDWELL_STACK_FRAMES 24
#define TCPDWELL_STACK_BYTES  960

/* struct bpf_stack_build_id (include/uapi/linux/bpf.h) and its status when the file is known. */
#define TCPDWELL_FRAME_VALID 1

struct tcpdwell_frame {
	__s32 status;
	__u8 build_id[20];
	__u64 offset; /* in the file; else the address */
};

/*
 * Where a process was when it connected or accepted: the return addresses that frame pointers lead
 * to, as addresses and as places in files, which say something when the process is gone; and the
 * registers and the top of the stack, for what frame pointers do not tell.
 */
struct tcpdwell_stack {
	__u64 time_ns; /* 0: it is being written */
	__u32 pid;
	__u8 how; /* TCPDWELL_OWNER_ACCEPT or TCPDWELL_OWNER_CONNECT */
	__u8 pad[3];
	__s32 ip_bytes; /* of ips, negative: an errno */
	__s32 frame_bytes;
	__u32 top_bytes; /* of top, 0: ip to lr are not known */
	__u32 pad2;
	__u64 ip;
	__u64 sp;
	__u64 fp;
	__u64 lr; /* arm64; elsewhere it says nothing */
	__u64 ips[TCPDWELL_STACK_FRAMES];
	struct tcpdwell_frame frames[TCPDWELL_STACK_FRAMES];
	__u8 top[TCPDWELL_STACK_BYTES]; /* from sp on */
};

_Static_assert(sizeof(struct tcpdwell_frame) == 32, "a frame is the kernel's");
_Static_assert(sizeof(struct tcpdwell_stack) == 1984, "a stack is 1984 bytes");
_Static_assert(__builtin_offsetof(struct tcpdwell_stack, ip) == 32, "ip at 32");

/*
 * The kernel side's counters, one set a CPU, each on a cache line of its own. Whenever no program
 * runs on that CPU, its set satisfies, in arithmetic modulo 2^64,
 *
 *	seen = emitted + filtered + held + folded + lost_ring + lost_map
 *
 * A row that must wait for what it lacks (a port, an owner) is held; what resolves it, maybe on
 * another CPU, takes one from held and adds one to what became of the row.
 */
struct tcpdwell_counters {
	__u64 seen;
	__u64 emitted;
	__u64 filtered;
	__u64 held;
	union {
		__u64 lost_ring; /* no room in the ring */
		__u64 undated;	 /* stat, which has none: rows with no dwell to count */
	};
	__u64 lost_map;	 /* no room to remember a row that had to wait; stat: or its group */
	__u64 untracked; /* sockets that found the map full: their rows are shown, dwell unknown */
	__u64 folded;	 /* rows of a SYN flood, counted and not shown */
};

/*
 * The timer backend: timers of requests that are armed, by the second (2^30 ns of jiffies) in which
 * they run out, modulo their number. One CPU may arm a timer and another take it off, so only the
 * sum over all CPUs says something: when a second is over, none of its timers is armed, and what is
 * left of the sum are those whose end the kernel ran no program for.
 */
#define TCPDWELL_TIMER_SECONDS 256

struct tcpdwell_timers {
	__s32 armed[TCPDWELL_TIMER_SECONDS];
};

/* What a run of the flush answers. */
#define TCPDWELL_FLUSH_WAITING 1 /* some row is not old enough */
#define TCPDWELL_FLUSH_AGAIN   2 /* there may be more that are */

/* A prefix of addresses, as the filter of addresses keys its map; IPv4 is mapped into IPv6. */
struct tcpdwell_prefix {
	__u32 length;
	__u8 addr[16];
};

/* Ports that are told apart in a SYN flood, which seldom has more than one. */
#define TCPDWELL_FLOODS 64

/* What happened at a port while requests to it were counted instead of shown. */
struct tcpdwell_flood {
	__u64 folded;	 /* requests that no connection came of */
	__u64 completed; /* handshakes */
};

/* Listeners that are asked whether they send SYN cookies. */
#define TCPDWELL_LISTENERS 4096

/* What a listener says of SYN cookies. */
struct tcpdwell_cookies {
	__u64 past_ns; /* since the last one, to a second */
	__u64 sent;    /* of its namespace, since ever; 0: not known */
	__u64 valid;   /* of those, what came back with the last ACK of a handshake */
	__u32 netns;
	__u32 pid; /* 0: not known */
	__u16 lport;
	__u8 family; /* 4 or 6 */
	__u8 always; /* each SYN gets one (net.ipv4.tcp_syncookies is 2) */
	__u8 pad[4];
	__u8 laddr[16];
	char comm[TCPDWELL_COMM_LEN];
};

/* Network namespaces whose sockets the snapshot counts; more of them are looked through. */
#define TCPDWELL_NAMESPACES 1024

/* What one run of the snapshot found by descriptor in a network namespace. */
struct tcpdwell_namespace {
	__u32 round;
	__u32 sockets;	/* in its hash tables, each once */
	__u32 requests; /* of its listeners */
	__u32 timewait; /* timewait sockets that a walk over the table of connections found */
};

/* Keys that one run of the sweep takes from user space: as many as a program has arguments. */
#define TCPDWELL_SWEEP_KEYS 12

/* What a walk over the table of connections is for (bpf/walk.bpf.h). */
enum tcpdwell_walk_for {
	TCPDWELL_WALK_TIMEWAIT, /* timewait sockets, as a snapshot has them */
	TCPDWELL_WALK_UNNAMED,	/* those that have no cookie yet: the ends are told */
	TCPDWELL_WALK_ENDS,	/* all but requests: the ends, and what is left of TIME_WAIT */
};

/* Records that a run of the walk has room for, and sockets of one chain that it goes through. */
#define TCPDWELL_WALK_RECORDS 192
#define TCPDWELL_WALK_CHAIN   128

/* What a run of the walk leaves. */
struct tcpdwell_walk {
	__u32 buckets; /* of the table; 0: there is no way to it */
	__u32 next;    /* the bucket to go on with; all of them: it is over */
	__u32 count;   /* of records */
	__u32 broken;  /* chains that were too long, or did not keep still */
	struct tcpdwell_socket records[TCPDWELL_WALK_RECORDS];
};

_Static_assert(sizeof(struct tcpdwell_counters) == 64, "a CPU's counters fill a cache line");

#endif /* TCPDWELL_WIRE_H */
