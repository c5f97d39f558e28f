/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When a connection ends by itself, if its peer says nothing more and its process does nothing.
 *
 * The kernel gives a connection up when one of its timers runs out and some limit is reached. This
 * goes through what the timers will do, as tcp_write_timeout(), tcp_probe_timer(),
 * tcp_keepalive_timer() and reqsk_timer_handler() of net/ipv4 do (5.10 to 7.x), and says after how
 * long that is. Too many orphans, or memory pressure, end an orphan earlier: the answer is the
 * latest moment. The timer wheel may run each timer up to an eighth later than it expires, which is
 * not in the answer.
 *
 * Pure, any thread. No errors: what cannot be said is DEADLINE_UNKNOWN. Times are from now, in
 * nanoseconds, if the name does not say otherwise.
 */
#ifndef TCPDWELL_DEADLINE_H
#define TCPDWELL_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

/* What the socket waits for, as idiag_timer of sock_diag(7) has it, or icsk_pending. */
enum deadline_timer {
	DEADLINE_TIMER_NONE,
	DEADLINE_TIMER_RETRANSMIT, /* of data, a FIN or a SYN; loss probes and reordering, too */
	DEADLINE_TIMER_KEEPALIVE,  /* also of an orphan in FIN_WAIT2 that is still a full socket */
	DEADLINE_TIMER_TIMEWAIT,   /* of a timewait socket, whatever its state */
	DEADLINE_TIMER_PROBE,	   /* of a window that is zero */
	DEADLINE_TIMER_REQUEST,
};

#define DEADLINE_NEVER_SEEN UINT64_MAX

/* A socket, as the kernel has it now. */
struct deadline_socket {
	uint8_t state; /* TCPDWELL_* */
	bool orphan;   /* SOCK_DEAD: no process has it any more */
	bool err_soft; /* an ICMP error came: sk_err_soft */
	enum deadline_timer timer;
	uint64_t expires_ns;
	uint8_t retransmits;	/* icsk_retransmits, of a request num_timeout */
	uint8_t probes_out;	/* icsk_probes_out */
	uint8_t backoff;	/* icsk_backoff */
	uint8_t syn_retries;	/* TCP_SYNCNT, 0: the namespace's */
	uint64_t rto_ns;	/* icsk_rto, as often doubled as it was; of probes before that */
	uint64_t retransmit_ns; /* since the first retransmission; DEADLINE_NEVER_SEEN: not known */
	uint64_t idle_ns;	/* since something was last heard, 0: not known */
	uint32_t user_timeout_ms;  /* TCP_USER_TIMEOUT, 0: none */
	bool unacknowledged;	   /* something was sent, or waits to be */
	bool keepalive;		   /* SO_KEEPALIVE */
	uint32_t keepalive_time_s; /* 0: not known */
	uint32_t keepalive_intvl_s;
	uint32_t keepalive_probes;
	uint32_t fin_timeout_s; /* TCP_LINGER2, or tcp_fin_timeout; 0: not known */
	uint32_t rto_max_ms;	/* TCP_RTO_MAX_MS, 0: the namespace's */
};

/* Settings of its network namespace (ip-sysctl). */
struct deadline_settings {
	uint32_t retries2;	      /* tcp_retries2 */
	uint32_t orphan_retries;      /* tcp_orphan_retries, 0: 8 */
	uint32_t syn_retries;	      /* tcp_syn_retries */
	uint32_t syn_linear_timeouts; /* tcp_syn_linear_timeouts, 0 before 6.5 */
	uint32_t synack_retries;      /* tcp_synack_retries */
	uint32_t rto_max_ms;	      /* tcp_rto_max_ms, 120000 before 6.15 */
};

extern const struct deadline_settings deadline_defaults;

enum deadline_kind {
	DEADLINE_UNKNOWN,
	DEADLINE_AT,
	DEADLINE_IF_SILENT, /* unless the peer answers what is sent */
	DEADLINE_NEVER,
};

/* What ends it then. */
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
	uint64_t ns; /* of DEADLINE_AT and DEADLINE_IF_SILENT */
};

struct deadline deadline_of(const struct deadline_socket *socket,
			    const struct deadline_settings *settings);

/* "within", "unless_answered", "never"; NULL where it is not known. */
const char *deadline_kind_name(unsigned int kind);

/* The setting or option that decides, such as "net.ipv4.tcp_retries2"; a constant. */
const char *deadline_setting(enum deadline_by by);

#endif /* TCPDWELL_DEADLINE_H */
