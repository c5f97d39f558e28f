/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a connection ends by itself, if its peer sends nothing more and its process does nothing.
 *
 * The kernel gives up a connection when one of its timers expires and some limit is reached. This
 * module simulates what the timers will do, following tcp_write_timeout(), tcp_probe_timer(),
 * tcp_keepalive_timer() and reqsk_timer_handler() of net/ipv4 (5.10 to 7.x), and returns how long
 * that takes. The answer is the latest moment, since too many orphans or memory pressure end an
 * orphan earlier. It leaves out that the timer wheel may run each timer up to an eighth later than
 * it expires.
 *
 * Pure, any thread. There are no errors: what cannot be told is DEADLINE_UNKNOWN. Times are
 * nanoseconds from now, unless the name says otherwise.
 */
#ifndef TCPDWELL_DEADLINE_H
#define TCPDWELL_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* What the socket waits for, in the terms of idiag_timer (sock_diag(7)) or icsk_pending. */
enum deadline_timer {
	DEADLINE_TIMER_NONE,
	DEADLINE_TIMER_RETRANSMIT, /* of data, a FIN or a SYN; also loss probes, reordering */
	DEADLINE_TIMER_KEEPALIVE,  /* also: a FIN_WAIT2 orphan that is still a full socket */
	DEADLINE_TIMER_TIMEWAIT,   /* of a timewait socket, whatever its state */
	DEADLINE_TIMER_PROBE,	   /* of a zero window */
	DEADLINE_TIMER_REQUEST,
};

#define DEADLINE_NEVER_SEEN UINT64_MAX

/* A socket as the kernel has it now. */
struct deadline_socket {
	uint8_t state; /* TCPDWELL_* */
	bool orphan;   /* SOCK_DEAD: no process holds it any more */
	bool err_soft; /* sk_err_soft: an ICMP error came */
	enum deadline_timer timer;
	uint64_t expires_ns;
	uint8_t retransmits;	   /* icsk_retransmits; of a request: num_timeout */
	uint8_t probes_out;	   /* icsk_probes_out */
	uint8_t backoff;	   /* icsk_backoff */
	uint8_t syn_retries;	   /* TCP_SYNCNT; 0: the namespace's */
	uint64_t rto_ns;	   /* icsk_rto with its doublings; for probes, without */
	uint64_t retransmit_ns;	   /* since the first retransmission; or DEADLINE_NEVER_SEEN */
	uint64_t idle_ns;	   /* since something was last received; 0: not known */
	uint32_t user_timeout_ms;  /* TCP_USER_TIMEOUT; 0: none */
	bool unacknowledged;	   /* data was sent, or waits to be sent */
	bool keepalive;		   /* SO_KEEPALIVE */
	uint32_t keepalive_time_s; /* 0: not known */
	uint32_t keepalive_intvl_s;
	uint32_t keepalive_probes;
	uint32_t fin_timeout_s; /* TCP_LINGER2, or tcp_fin_timeout; 0: not known */
	uint32_t rto_max_ms;	/* TCP_RTO_MAX_MS; 0: the namespace's */
};

/* The settings of its network namespace (ip-sysctl). */
struct deadline_settings {
	uint32_t retries2;	      /* tcp_retries2 */
	uint32_t orphan_retries;      /* tcp_orphan_retries; 0 means 8 */
	uint32_t syn_retries;	      /* tcp_syn_retries */
	uint32_t syn_linear_timeouts; /* tcp_syn_linear_timeouts; 0 before 6.5 */
	uint32_t synack_retries;      /* tcp_synack_retries */
	uint32_t rto_max_ms;	      /* tcp_rto_max_ms; 120000 before 6.15 */
};

extern const struct deadline_settings deadline_defaults;

enum deadline_kind {
	DEADLINE_UNKNOWN,
	DEADLINE_AT,
	DEADLINE_IF_SILENT, /* unless the peer answers */
	DEADLINE_NEVER,
};

/* What ends the connection. */
enum deadline_by {
	DEADLINE_BY_NOTHING,
	DEADLINE_BY_RETRIES2,
	DEADLINE_BY_ORPHAN_RETRIES,
	DEADLINE_BY_SYN_RETRIES,
	DEADLINE_BY_SYNACK_RETRIES,
	DEADLINE_BY_USER_TIMEOUT,
	DEADLINE_BY_KEEPALIVE,
	DEADLINE_BY_FIN_TIMEOUT,
	DEADLINE_BY_TIMEWAIT,
	DEADLINE_BY_MAX,
};

struct deadline {
	enum deadline_kind kind;
	enum deadline_by by;
	uint64_t ns; /* for DEADLINE_AT and DEADLINE_IF_SILENT */
};

struct deadline deadline_of(const struct deadline_socket *socket,
			    const struct deadline_settings *settings);

/* Returns "within", "unless_answered" or "never"; NULL if it is not known. */
const char *deadline_kind_name(unsigned int kind);

/* Returns the setting or option that decides, such as "net.ipv4.tcp_retries2". It is a constant. */
const char *deadline_setting(enum deadline_by by);

#endif /* TCPDWELL_DEADLINE_H */
