/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `diagnose` has seen of a host, in plain structs that hold no pointers into it; the input of
 * findings.h. Whoever looks fills them. 0, and the constants below, mean that something is not
 * known.
 *
 * Ports are in host order, addresses in network order (IPv4 in the first four bytes). Times and
 * ages are nanoseconds. A count whose name ends in _grew is what was added during the look.
 */
#ifndef TCPDWELL_FACTS_H
#define TCPDWELL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/deadline.h"
#include "wire.h"

#define FACT_UNKNOWN UINT64_MAX

/* Room for the name of a system call. */
#define FACT_CALL 24

struct finding_ports;
struct held_ports;

/* A process. pid 0: none is known. */
struct fact_owner {
	uint32_t pid; /* 0: nobody, or not known */
	bool kernel;  /* nobody but the kernel itself, which made the socket */
	char comm[TCPDWELL_COMM_LEN];
};

struct fact_address {
	uint32_t netns; /* inode */
	uint8_t family; /* 4 or 6 */
	uint16_t lport;
	uint16_t rport;
	uint8_t laddr[16];
	uint8_t raddr[16];
};

/* What the facts of a socket stand for (digest.h). */
enum fact_part {
	FACT_WHOLE,  /* the socket alone */
	FACT_FOLDED, /* this socket and others, which are found for the same reasons */
	FACT_PEER,   /* the socket alone, as one connection of its peer; it may be folded, too */
};

/* A socket as the last look found it. */
struct fact_socket {
	struct fact_owner owner;
	struct fact_address at;
	uint8_t part;	    /* enum fact_part */
	bool peer_near;	    /* for FACT_PEER: this host also has the peer's address */
	uint16_t kinds;	    /* for FACT_FOLDED: enum finder_kind, which all of them share */
	uint32_t others;    /* how many other sockets are folded into this one */
	uint8_t state;	    /* TCPDWELL_* */
	uint32_t holders;   /* processes that hold it, with the owner; 0: not counted */
	bool queued;	    /* waits for accept(); the owner is the listener's */
	bool client;	    /* this side called connect() */
	bool v6only;	    /* IPV6_V6ONLY is set */
	bool bound;	    /* bind() took its port (struct tcpdwell_port_use) */
	uint32_t scope;	    /* interface that it is bound to; 0: none */
	uint16_t ports_low; /* IP_LOCAL_PORT_RANGE; 0: not set */
	uint16_t ports_high;
	uint64_t age_ns;	 /* lower bound of the time in its state */
	uint64_t opened_ns;	 /* lower bound of the connection's age; 0: not known */
	uint64_t opened_most_ns; /* upper bound of that age; FACT_UNKNOWN */
	uint64_t silent_ns;	 /* since the peer's last segment; FACT_UNKNOWN */
	uint64_t idle_ns;	 /* half closed, and this long without new data; FACT_UNKNOWN */
	uint64_t unread_bytes;	 /* that the process has not read */
	uint64_t unacked_bytes;
	struct deadline_socket timers; /* also orphan, retransmits, keep-alive and so on */
	uint64_t cookie; /* for FACT_PEER a hash that all connections of the peer share */
	/* For a listener. */
	uint32_t waiting; /* in its accept queue */
	uint32_t backlog; /* how many may wait */
	uint32_t requests;
	uint32_t old_requests;	  /* those whose SYN-ACK was sent again */
	uint32_t request_sources; /* number of addresses that the requests came from */
	uint64_t drops;		  /* since it began to listen */
	uint64_t drops_grew;
};

enum fact_call { FACT_CONNECT, FACT_BIND, FACT_LISTEN, FACT_ACCEPT };

/*
 * System calls of one process that failed with one errno for one address; and those of accept()
 * that succeeded, with errno 0.
 */
struct fact_failure {
	struct fact_owner owner;
	struct fact_address at; /* for connect() the remote address, else the local one */
	enum fact_call call;
	bool v6only; /* as struct fact_socket has it */
	uint16_t err;
	uint64_t count;
};

/* Connections of one process to one service that ended in one way. */
struct fact_end {
	struct fact_owner owner;
	struct fact_address at; /* of one of them */
	/* SYN_SENT; ESTABLISHED: was open; FIN_WAIT2: reset, or timed out, after FIN */
	uint8_t from;
	bool given_up;	/* in SYN_SENT: the process closed after a second SYN */
	bool hasty;	/* in SYN_SENT: it closed before that, but when an answer was due */
	bool brief;	/* the client reset it as soon as it was open */
	uint8_t reason; /* enum tcpdwell_reason */
	uint16_t err;
	uint64_t count;
	uint64_t first_ns; /* when the first of them ended, and the last */
	uint64_t last_ns;
	uint64_t waited_ns; /* of given_up and hasty ones: the longest wait for an answer */
};

enum fact_reset { FACT_RESET_RECEIVED, FACT_RESET_SENT, FACT_RESET_AFTER_FIN, FACT_RESETS };

/* Errors of connect() that the reason of an end tells, too. */
enum fact_error { FACT_REFUSED, FACT_TIMED_OUT, FACT_UNREACHABLE, FACT_ERRORS };

/*
 * How many connections of a group ended, where sums are all that is known of ends. A group may have
 * several processes, and connections to several services.
 */
struct fact_sum {
	uint64_t ends;	 /* of connections that were open */
	uint64_t silent; /* of those by keep-alive or TCP_USER_TIMEOUT */
	uint64_t unacknowledged;
	uint64_t resets[FACT_RESETS];
	uint64_t brief[FACT_RESETS];  /* of these, those that came as soon as it was open */
	uint64_t failed[FACT_ERRORS]; /* that never opened */
	uint64_t calls[FACT_ERRORS];  /* connect() that returned the error itself */
};

/* A listener that sent SYN cookies. */
struct fact_cookies {
	struct fact_owner owner;
	struct fact_address at;
};

/* What the kernel counts for each network namespace (/proc/net/netstat, /proc/net/snmp). */
enum fact_counter {
	FACT_SYNCOOKIES_SENT,
	FACT_SYNCOOKIES_RECV,
	FACT_REQ_FULL_DROP,
	FACT_LISTEN_OVERFLOWS,
	FACT_LISTEN_DROPS,
	FACT_TIMEWAIT_OVERFLOW,
	FACT_ABORT_ON_MEMORY,
	FACT_ABORT_ON_CLOSE, /* closed with unread data */
	FACT_ABORT_ON_DATA,  /* linger 0, or data came after close() */
	FACT_ABORT_ON_LINGER,
	FACT_MEMORY_PRESSURES,
	FACT_OUT_RSTS,
	FACT_ESTAB_RESETS,
	FACT_COUNTERS
};

/* Settings that findings name, and those that deadlines depend on. */
enum fact_setting {
	FACT_SYNCOOKIES,
	FACT_MAX_SYN_BACKLOG,
	FACT_SOMAXCONN,
	FACT_ABORT_ON_OVERFLOW,
	FACT_RETRIES2,
	FACT_ORPHAN_RETRIES,
	FACT_SYN_RETRIES,
	FACT_SYN_LINEAR_TIMEOUTS,
	FACT_SYNACK_RETRIES,
	FACT_RTO_MAX_MS,
	FACT_FIN_TIMEOUT,
	FACT_KEEPALIVE_TIME,
	FACT_KEEPALIVE_INTVL,
	FACT_KEEPALIVE_PROBES,
	FACT_TW_REUSE,
	FACT_TIMESTAMPS,
	FACT_MAX_TW_BUCKETS,
	FACT_MAX_ORPHANS,
	FACT_PORTS_LOW, /* ip_local_port_range */
	FACT_PORTS_HIGH,
	FACT_PORTS_RESERVED, /* how many of them ip_local_reserved_ports excludes */
	FACT_UNPRIVILEGED,   /* ip_unprivileged_port_start */
	FACT_NO_IPV6,	     /* disable_ipv6 of all interfaces */
	FACT_SETTINGS
};

struct fact_netns {
	uint32_t inode;
	bool own;      /* the namespace that commands run in */
	char name[32]; /* as ip-netns(8) names it; empty: none */
	uint64_t grew[FACT_COUNTERS];
	uint64_t settings[FACT_SETTINGS]; /* FACT_UNKNOWN: not known */
	uint64_t orphans;		  /* of the whole host; FACT_UNKNOWN: not known */
};

/* TCP memory of the whole host. FACT_UNKNOWN: not known. */
struct fact_memory {
	uint64_t pages;		 /* that TCP uses */
	uint64_t pressure_pages; /* tcp_mem, the middle value: pressure begins */
};

struct fact_process {
	struct fact_owner owner;
	uint32_t descriptors;
	uint32_t sockets;
	uint64_t limit; /* 0: not known */
	/* What its first thread did at the look. */
	char state;	      /* a letter of proc(5); NUL: not known */
	char call[FACT_CALL]; /* the system call that it sleeps in; empty: none, or not known */
	uint32_t threads;     /* 0: not known */
	bool ring;	      /* it has an io_uring */
};

/* A process that has a descriptor of a listener which connections wait for. */
struct fact_holder {
	uint64_t listener; /* fact_socket.cookie */
	struct fact_owner owner;
};

/* All facts. The arrays are the caller's. */
struct facts {
	uint64_t span_ns; /* how long the look took */
	uint64_t now_ns;  /* when it ended, by the clock of fact_end */
	const struct fact_socket *sockets;
	size_t socket_count;
	const struct held_ports *held; /* who holds local ports; NULL: see the sockets */
	const struct fact_failure *failures;
	size_t failure_count;
	const struct fact_end *ends;
	size_t end_count;
	const struct fact_sum *sums; /* in place of ends, for `export`; some have counted nothing */
	size_t sum_count;
	const struct fact_netns *namespaces;
	size_t netns_count;
	const struct fact_process *processes;
	size_t process_count;
	const struct fact_holder *holders; /* sorted by listener and process */
	size_t holder_count;
	const struct fact_cookies *cookies;
	size_t cookies_count;
	struct fact_memory memory;
	/*
	 * What findings.h said of local ports at the look before, @span_ns ago; NULL: there was
	 * none.
	 */
	const struct finding_ports *ports;
	size_t port_count;
	bool sums_of_programs; /* each sum is of processes that belong together, as by name */
	bool accepts_known;    /* calls of accept() were counted */
	bool narrowed;	       /* there are sockets that the filters do not want */
	uint64_t leak_ns;      /* CLOSE_WAIT, or a held FIN_WAIT2, this long is a leak */
};

/* Returns the facts of a namespace. NULL: it was not visited. */
static inline const struct fact_netns *facts_netns(const struct facts *facts, uint32_t inode)
{
	for (size_t i = 0; i < facts->netns_count; i++)
		if (facts->namespaces[i].inode == inode)
			return &facts->namespaces[i];
	return NULL;
}

#endif /* TCPDWELL_FACTS_H */
