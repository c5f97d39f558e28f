/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every knob of the kernel side. The loader sets them before it loads the object.
 *
 * They are constants to the verifier, which drops the code that they switch off. So a filter that
 * is not asked for costs nothing.
 */
#ifndef TCPDWELL_CONFIG_BPF_H
#define TCPDWELL_CONFIG_BPF_H

#include "wire.h"

#define PORT_WORDS    (65536 / 64)
#define CLOSING_CALLS 16
#define LETTING_GO    8

/* What the running kernel offers; the loader tries it out. */
const volatile __u32 cfg_recent_mask;	   /* the bits of a key that give its slot in recent */
const volatile bool cfg_has_cookie = true; /* bpf_get_socket_cookie() in tracing programs, 5.12 */
const volatile bool cfg_has_cast;	   /* bpf_rdonly_cast(), 6.2 */
const volatile bool cfg_preempted;	   /* programs may lose their CPU (7.0), and can keep it */
const volatile bool cfg_connect_exit;	   /* a hook at the end of connect() tells the port */
const volatile bool cfg_defer_connect;	   /* else the reader's tick tells the port */
const volatile bool cfg_accept_exit;	   /* a hook at the end of accept() tells the owner */

/*
 * Maps that a kernel may refuse, and features that need them (user/kernel/feature.c). The verifier
 * refuses a program that names a map which was not created, unless that code is dead. So each use
 * of such a map is guarded by one of these constants.
 */
const volatile bool cfg_remember = true;   /* connections */
const volatile bool cfg_recent = true;	   /* recent */
const volatile bool cfg_doorbell = true;   /* doorbell; without it, user space looks now and then */
const volatile bool cfg_counters = true;   /* counters; without it, all processors share one set */
const volatile bool cfg_workspaces = true; /* workspaces; without it, workspaces_percpu */
const volatile bool cfg_nested = true;	   /* the second program at the tracepoint */
const volatile bool cfg_handshake = true;  /* children */
const volatile bool cfg_young = true;	   /* young */
const volatile bool cfg_resets = true;	   /* tcp_send_reset and resets */
const volatile bool cfg_floods = true;	   /* request_rates and floods */

const volatile bool cfg_requests; /* some backend tells of requests */
const volatile bool cfg_timewait; /* some backend tells of timewait sockets */
/* inet_twsk_hashdance_schedule() tells of new timewait sockets; __inet_twsk_schedule() need not. */
const volatile bool cfg_tw_begins;

/*
 * For the timer backend: the addresses of these functions; whether the flush must look for flips of
 * timewait sockets; and whether timewait sockets themselves must be looked for, because no program
 * tells of timers that are armed.
 */
const volatile __u64 cfg_tw_timer_handler;
const volatile __u64 cfg_reqsk_timer_handler;
const volatile bool cfg_poll_timewait;
const volatile bool cfg_seek_timewait;

/* System calls in which a process closes descriptors. Some are repeated to fill the array. */
const volatile __u32 cfg_closing_calls[CLOSING_CALLS];

/* Those that take a descriptor away: close() first, and again in what is left of the array. */
const volatile __u32 cfg_letting_go[LETTING_GO];

/* System calls that send a message. `ss -K` asks by one for the end of a socket. */
const volatile __u32 cfg_sending_calls[2];

/* What the sink shows. The rest is not looked up. */
const volatile bool cfg_want_cgroup;
const volatile bool cfg_kernel_view;

const volatile __u64 cfg_tick_ns = 1000000; /* the length of a jiffy */

/* Whether each row is sent. */
const volatile bool cfg_rows;
const volatile bool cfg_ends;		/* of these, only those to CLOSE or TIME_WAIT */
const volatile bool cfg_requests_early; /* a slow request is told while it lasts */

/* Whether rows are summed, in place of being sent or beside that. */
const volatile bool cfg_stat;
const volatile bool cfg_stat_accepts; /* and how long connections wait for accept() */
const volatile bool cfg_stat_ends;    /* and how connections end, with what they carried */
const volatile bool cfg_carried;      /* open connections, too: the map carried */
const volatile __u8 cfg_stat_by;      /* enum tcpdwell_stat_by */
const volatile bool cfg_service;      /* the service's port is needed */
const volatile __u32 cfg_stat_mask4;  /* the mask of a prefix, in network order */
const volatile __u32 cfg_stat_mask6[4];

/*
 * One record for each connection at its end, of all that it did; and whether the end of TIME_WAIT
 * is waited for.
 */
const volatile bool cfg_life;
const volatile bool cfg_time_wait;

const volatile bool cfg_skip_owner; /* nothing depends on who owns a socket */
const volatile bool cfg_skip_addrs; /* nothing depends on addresses and families */

/* Transitions are followed by struct tcpdwell_port_use: what the local port is closed to. */
const volatile bool cfg_port_use;
const volatile bool cfg_scope; /* the interface that a socket is bound to is looked up */

/*
 * Listeners are kept, to be asked about SYN cookies. cfg_per_cpu_offset is the address of the
 * kernel's per-CPU offsets; 0: not known.
 */
const volatile bool cfg_cookies;
const volatile __u32 cfg_cpus = 1;
const volatile __u64 cfg_per_cpu_offset;

/* The snapshot at start. */
const volatile bool cfg_snapshot_records; /* user space reads what the iterators find */

/* Its records say what each socket waits for, and its options. */
const volatile bool cfg_details;

/* The holders of TCP sockets behind descriptors of MPTCP are noted. */
const volatile bool cfg_subflows;

/* The stacks of connect() and accept() are kept. */
const volatile bool cfg_stacks;

/* The number of rings of records, a power of two; 1: records go into "ring". */
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

static __always_inline bool config_filters_owner(void)
{
	return cfg_filter_pid || cfg_filter_comm;
}

/* Returns whether the filters may depend on a local port that the connection does not have yet. */
static __always_inline bool config_filters_local_port(void)
{
	return cfg_filter_lport || cfg_filter_port;
}

/* Returns whether the ends of a connection may make it an unwanted one. */
static __always_inline bool config_filters_connection(void)
{
	return config_filters_local_port() || cfg_filter_rport || cfg_filter_addr || cfg_family ||
	       cfg_netns;
}

/* Returns whether rows wait for accept() to tell the owner, which a filter asks about. */
static __always_inline bool config_waits_for_accept(void)
{
	return config_filters_owner() && cfg_accept_exit && !cfg_life;
}

#endif /* TCPDWELL_CONFIG_BPF_H */
