/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `diagnose` has seen of a host, as plain structs that hold no pointers into it: the input of
 * findings.h. Who looks fills them; 0 and the names below say that something is not known.
 *
 * Ports are in host order, addresses in network order (IPv4 in the first four bytes). Times are
 * nanoseconds, and so are ages; a count that ends in _grew is what was added while it was looked.
 */
#ifndef TCPDWELL_FACTS_H
#define TCPDWELL_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/deadline.h"
#include "wire.h"

#define FACT_UNKNOWN UINT64_MAX

struct finding_ports;

/* Who does something. pid 0: no process is known. */
struct fact_owner {
	uint32_t pid;
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

/* A socket, as the last look has found it. */
struct fact_socket {
	struct fact_address at;
	struct fact_owner owner;
	uint8_t state;	    /* TCPDWELL_* */
	uint32_t holders;   /* processes that have it, the owner among them; 0: not counted */
	bool queued;	    /* waits for accept(): the owner is the listener's */
	bool client;	    /* this side has connected */
	bool bound;	    /* its port was taken by bind(), as struct tcpdwell_port_use has it */
	uint32_t scope;	    /* interface that it is bound to, 0: none */
	uint16_t ports_low; /* IP_LOCAL_PORT_RANGE, 0: not set */
	uint16_t ports_high;
	uint64_t age_ns;	 /* in its state for so long at the least */
	uint64_t opened_ns;	 /* age of the connection at the least, 0: not known */
	uint64_t opened_most_ns; /* the same at the most, FACT_UNKNOWN */
	uint64_t silent_ns;	 /* since a segment of the peer's came, FACT_UNKNOWN */
	uint64_t idle_ns;	 /* half closed, and without new data so long, FACT_UNKNOWN */
	uint64_t unread_bytes;	 /* the process has not read */
	uint64_t unacked_bytes;
	struct deadline_socket timers; /* orphan, retransmits, keep-alive, … */
	/* Of a listener. */
	uint64_t cookie;
	uint32_t waiting; /* in its accept queue */
	uint32_t backlog; /* how many may wait */
	uint32_t requests;
	uint32_t old_requests;	  /* whose SYN-ACK was sent again */
	uint32_t request_sources; /* addresses that they came from */
	uint64_t drops;		  /* since it began to listen */
	uint64_t drops_grew;
};

enum fact_call { FACT_CONNECT, FACT_BIND };

/* System calls that failed, of one process, with one errno, to one address. */
struct fact_failure {
	struct fact_owner owner;
	struct fact_address at; /* of bind() the local side, else the remote one */
	enum fact_call call;
	uint16_t err;
	uint64_t count;
};

/* Connections of one process that ended in one way, at one service. */
struct fact_end {
	struct fact_owner owner;
	struct fact_address at; /* of one of them */
	uint8_t from;	/* SYN_SENT; ESTABLISHED: had been open; FIN_WAIT2: reset after FIN */
	bool given_up;	/* SYN_SENT: the process closed, after the SYN had been sent again */
	uint8_t reason; /* enum tcpdwell_reason */
	uint16_t err;
	uint64_t count;
};

/* A listener that was seen to send SYN cookies. */
struct fact_cookies {
	struct fact_owner owner;
	struct fact_address at;
};

/* What the kernel counts in a network namespace (/proc/net/netstat, /proc/net/snmp). */
enum fact_counter {
	FACT_SYNCOOKIES_SENT,
	FACT_SYNCOOKIES_RECV,
	FACT_REQ_FULL_DROP,
	FACT_LISTEN_OVERFLOWS,
	FACT_LISTEN_DROPS,
	FACT_TIMEWAIT_OVERFLOW,
	FACT_ABORT_ON_MEMORY,
	FACT_ABORT_ON_CLOSE, /* unread data */
	FACT_ABORT_ON_DATA,  /* linger 0, or data that came after close() */
	FACT_ABORT_ON_LINGER,
	FACT_MEMORY_PRESSURES,
	FACT_OUT_RSTS,
	FACT_ESTAB_RESETS,
	FACT_COUNTERS
};

/* Settings that findings name, and those that deadlines are reckoned with. */
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
	FACT_PORTS_RESERVED, /* how many of them ip_local_reserved_ports takes */
	FACT_SETTINGS
};

struct fact_netns {
	uint32_t inode;
	bool own;      /* that the commands look from */
	char name[32]; /* of ip-netns(8), empty: none */
	uint64_t grew[FACT_COUNTERS];
	uint64_t settings[FACT_SETTINGS]; /* FACT_UNKNOWN: not known */
	uint64_t orphans;		  /* of the host, FACT_UNKNOWN: not known */
};

/* Of the host. */
struct fact_memory {
	uint64_t pages;		 /* TCP has; FACT_UNKNOWN: not known, each */
	uint64_t pressure_pages; /* tcp_mem, the middle value */
};

struct fact_process {
	struct fact_owner owner;
	uint32_t descriptors;
	uint32_t sockets;
	uint64_t limit; /* 0: not known */
	bool stopped;	/* by a signal or a debugger */
};

/* All of it. The arrays are the caller's. */
struct facts {
	uint64_t span_ns; /* how long it was looked */
	const struct fact_socket *sockets;
	size_t socket_count;
	const struct fact_failure *failures;
	size_t failure_count;
	const struct fact_end *ends;
	size_t end_count;
	const struct fact_netns *namespaces;
	size_t netns_count;
	const struct fact_process *processes;
	size_t process_count;
	const struct fact_cookies *cookies;
	size_t cookies_count;
	struct fact_memory memory;
	/* What findings.h said of local ports at the look before, @span_ns ago; NULL: nothing. */
	const struct finding_ports *ports;
	size_t port_count;
	uint64_t leak_ns; /* CLOSE_WAIT and what is held that long is a leak */
};

/* NULL: the namespace was not looked into. */
static inline const struct fact_netns *facts_netns(const struct facts *facts, uint32_t inode)
{
	for (size_t i = 0; i < facts->netns_count; i++)
		if (facts->namespaces[i].inode == inode)
			return &facts->namespaces[i];
	return NULL;
}

#endif /* TCPDWELL_FACTS_H */
