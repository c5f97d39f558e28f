/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every knob of the kernel side, set by the loader before the object is loaded.
 *
 * They are constants to the verifier, which drops the code that they switch off: a filter that is
 * not asked for costs nothing.
 */
#ifndef TCPDWELL_CONFIG_BPF_H
#define TCPDWELL_CONFIG_BPF_H

#include "wire.h"

#define PORT_WORDS    (65536 / 64)
#define CLOSING_CALLS 16

/* What the running kernel offers (the loader probes). */
const volatile __u32 cfg_recent_mask;	   /* of a key: its place in recent */
const volatile bool cfg_has_cookie = true; /* bpf_get_socket_cookie() in tracing programs, 5.12 */
const volatile bool cfg_has_cast;	   /* bpf_rdonly_cast(), 6.2 */
const volatile bool cfg_preempted;	   /* programs may lose their CPU (7.0), and can keep it */
const volatile bool cfg_connect_exit;	   /* a hook at the end of connect() tells the port */
const volatile bool cfg_defer_connect;	   /* else the reader's tick does */
const volatile bool cfg_accept_exit;	   /* a hook at the end of accept() tells the owner */

/*
 * Maps that a kernel may refuse, and features that need them (user/kernel/feature.c). The verifier
 * refuses a program that names a map which was not created, unless the code is dead. So each use of
 * such a map stands behind one of these constants.
 */
const volatile bool cfg_remember = true;   /* connections */
const volatile bool cfg_recent = true;	   /* recent */
const volatile bool cfg_doorbell = true;   /* doorbell; else user space looks now and then */
const volatile bool cfg_counters = true;   /* counters; else all processors share one set */
const volatile bool cfg_workspaces = true; /* workspaces; else workspaces_percpu */
const volatile bool cfg_nested = true;	   /* the second program at the tracepoint */
const volatile bool cfg_handshake = true;  /* children */
const volatile bool cfg_young = true;	   /* young */
const volatile bool cfg_resets = true;	   /* tcp_send_reset and resets */
const volatile bool cfg_floods = true;	   /* request_rates and floods */

const volatile bool cfg_requests; /* some backend tells of request sockets */
const volatile bool cfg_timewait; /* some backend tells of timewait sockets */
/* inet_twsk_hashdance_schedule() tells of their beginning, and __inet_twsk_schedule() need not. */
const volatile bool cfg_tw_begins;

/*
 * The timer backend: where these functions are, that a timewait socket's flip must be looked for,
 * and that it must be looked for itself: no program tells of timers that are armed.
 */
const volatile __u64 cfg_tw_timer_handler;
const volatile __u64 cfg_reqsk_timer_handler;
const volatile bool cfg_poll_timewait;
const volatile bool cfg_seek_timewait;

/* System calls in which a process closes what it has; some more than once, to fill the array. */
const volatile __u32 cfg_closing_calls[CLOSING_CALLS];

/* System calls that send a message: `ss -K` asks for the end of a socket by one. */
const volatile __u32 cfg_sending_calls[2];

/* What the sink shows: what it does not is not looked up. */
const volatile bool cfg_want_cgroup;
const volatile bool cfg_kernel_view;

const volatile __u64 cfg_tick_ns = 1000000; /* the length of a jiffy */

/* Each row is sent. */
const volatile bool cfg_rows;

/* Rows are summed: instead, or beside. */
const volatile bool cfg_stat;
const volatile bool cfg_stat_accepts; /* and how long connections wait for accept() */
const volatile bool cfg_stat_ends;    /* and by how connections end, with what they carried */
const volatile bool cfg_carried;      /* of open ones, too: carried */
const volatile __u8 cfg_stat_by;      /* enum tcpdwell_stat_by */
const volatile bool cfg_service;      /* the service's port is asked for */
const volatile __u32 cfg_stat_mask4;  /* of a prefix, in network order */
const volatile __u32 cfg_stat_mask6[4];

/* One record a connection, at its end, of all that it did; and whether TIME_WAIT is waited for. */
const volatile bool cfg_life;
const volatile bool cfg_time_wait;

const volatile bool cfg_skip_owner; /* nothing hangs on who owns a socket */
const volatile bool cfg_skip_addrs; /* nor on addresses and families */

/* Transitions are followed by what decides whose local ports are in the way of others. */
const volatile bool cfg_port_use;
const volatile bool cfg_scope; /* the interface that a socket is bound to is looked up */

/* Listeners are kept, to be asked for SYN cookies; where counters of a CPU are, 0: not known. */
const volatile bool cfg_cookies;
const volatile __u32 cfg_cpus = 1;
const volatile __u64 cfg_per_cpu_offset;

/* The snapshot at start. */
const volatile bool cfg_snapshot_records; /* user space reads what the iterators find */

/* With what each socket waits for, and its options. */
const volatile bool cfg_details;

/* Who holds the TCP sockets behind descriptors of MPTCP is noted. */
const volatile bool cfg_subflows;

/* The stacks of who connects and accepts are kept. */
const volatile bool cfg_stacks;

/* Of records: a power of two, 1: they go into "ring". */
const volatile __u32 cfg_rings = 1;
/* Bytes that wait in a ring before the reader is woken. */
const volatile __u64 cfg_wakeup_bytes = 1 << 20;

/* Filters on the connection. */
const volatile __u8 cfg_family;
const volatile __u32 cfg_netns;
const volatile bool cfg_filter_lport;
const volatile bool cfg_filter_rport;
const volatile bool cfg_filter_port;
const volatile bool cfg_filter_addr;
const volatile __u32 cfg_uid_count;
const volatile __u32 cfg_uids[TCPDWELL_FILTER_IDS];
const volatile __u64 cfg_cgroup_id;
const volatile __u32 cfg_cgroup_level;
const volatile __u64 cfg_lports[PORT_WORDS];
const volatile __u64 cfg_rports[PORT_WORDS];
const volatile __u64 cfg_ports[PORT_WORDS];
const volatile __u16 cfg_lowest_lport; /* of the local ports that a filter wants */
const volatile __u16 cfg_highest_lport;

/* Filters on the owner. */
const volatile bool cfg_filter_pid;
const volatile bool cfg_filter_comm;
const volatile char cfg_comm[TCPDWELL_COMM_LEN];
const volatile bool cfg_follow_forks;

/* Filters on the transition. */
const volatile __u16 cfg_from_states;
const volatile __u16 cfg_to_states;
const volatile __u16 cfg_either_states;
const volatile __u64 cfg_min_dwell_ns;
const volatile __u64 cfg_cookie;
const volatile __u32 cfg_reasons;

/* Whether each row is shown, and that as it comes. */
static __always_inline bool config_sends_rows(void)
{
	return cfg_rows;
}

static __always_inline bool config_filters_owner(void)
{
	return cfg_filter_pid || cfg_filter_comm;
}

/* Whether the verdict on a connection may hang on a local port that it does not have yet. */
static __always_inline bool config_filters_local_port(void)
{
	return cfg_filter_lport || cfg_filter_port;
}

/* Whether it may be a connection's ends that make it an unwanted one. */
static __always_inline bool config_filters_connection(void)
{
	return config_filters_local_port() || cfg_filter_rport || cfg_filter_addr || cfg_family ||
	       cfg_netns;
}

/* Whether rows wait for accept() to tell the owner that a filter asks about. */
static __always_inline bool config_waits_for_accept(void)
{
	return config_filters_owner() && cfg_accept_exit && !cfg_life;
}

#endif /* TCPDWELL_CONFIG_BPF_H */
