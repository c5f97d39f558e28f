// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "host/resolve.h"
#include "kernel/knobs.h"
#include "kernel/rings.h"
#include "tcpdwell.skel.h"

/*
 * The reader is woken when a quarter of the ring is unread. That leaves three quarters for the
 * records that come meanwhile.
 */
#define WAKEUP_SHARE	 4
#define WAKEUP_BYTES_MAX (1U << 20)

/*
 * Returns the length of a tick of the kernel: the coarse clock moves once in a tick, and its
 * resolution says how long that is.
 */
static uint64_t tick_ns(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		return 1000000; /* the shortest tick there is: the bound stays true */
	return tick.tv_sec * 1000000000ULL + tick.tv_nsec;
}

/* Sets the lowest and the highest local port that pass the filter. */
static void set_port_bounds(struct tcpdwell_bpf__rodata *cfg, const struct filters *filters)
{
	const struct port_set *set = filters->lports.any ? &filters->lports : &filters->ports;
	unsigned int lowest = 0, highest = UINT16_MAX;

	if (!set->any)
		return;
	while (lowest < highest && !port_set_has(set, lowest))
		lowest++;
	while (highest > lowest && !port_set_has(set, highest))
		highest--;
	cfg->cfg_lowest_lport = lowest;
	cfg->cfg_highest_lport = highest;
}

/*
 * The end of a connection is the transition to CLOSE or to TIME_WAIT, from whatever state but
 * TIME_WAIT: who closes first has as many ends as others.
 */
static uint16_t from_states(const struct capture *capture)
{
	return capture->ends ? ~(1U << TCPDWELL_TIME_WAIT) : capture->filters.from;
}

static uint16_t to_states(const struct capture *capture)
{
	return capture->ends ? 1U << TCPDWELL_CLOSE | 1U << TCPDWELL_TIME_WAIT :
			       capture->filters.to;
}

static int set_filters(struct tcpdwell_bpf__rodata *cfg, const struct capture *capture,
		       struct failure *failure)
{
	const struct filters *filters = &capture->filters;
	struct cgroup_ref cgroup = {};

	if (resolve_netns(&filters->netns, (uint32_t *)&cfg->cfg_netns, failure))
		return -1;
	if (filters->cgroup && resolve_cgroup(filters->cgroup, &cgroup, failure))
		return -1;
	cfg->cfg_cgroup_id = cgroup.id;
	cfg->cfg_cgroup_level = cgroup.level;
	cfg->cfg_family = filters->family;
	cfg->cfg_filter_lport = filters->lports.any;
	cfg->cfg_filter_rport = filters->rports.any;
	cfg->cfg_filter_port = filters->ports.any;
	memcpy((void *)cfg->cfg_lports, filters->lports.bits, sizeof(filters->lports.bits));
	memcpy((void *)cfg->cfg_rports, filters->rports.bits, sizeof(filters->rports.bits));
	memcpy((void *)cfg->cfg_ports, filters->ports.bits, sizeof(filters->ports.bits));
	set_port_bounds(cfg, filters);
	cfg->cfg_uid_count = filters->uids.count;
	memcpy((void *)cfg->cfg_uids, filters->uids.ids, filters->uids.count * sizeof(uint32_t));
	cfg->cfg_filter_comm = filters->comm[0];
	memcpy((void *)cfg->cfg_comm, filters->comm, sizeof(filters->comm));
	cfg->cfg_from_states = from_states(capture);
	cfg->cfg_to_states = to_states(capture);
	cfg->cfg_either_states = filters->either;
	cfg->cfg_min_dwell_ns = filters->min_dwell_ns;
	cfg->cfg_cookie = filters->cookie;
	cfg->cfg_reasons = filters->reasons;
	return 0;
}

/* Makes a mask of the first @bits bits of an address in network order. */
static void set_mask(uint32_t *words, unsigned int count, unsigned int bits)
{
	for (unsigned int i = 0; i < count; i++, bits -= bits < 32 ? bits : 32)
		words[i] = htonl(bits ? UINT32_MAX << (bits < 32 ? 32 - bits : 0) : 0);
}

/* Returns true if a record, a histogram or a filter depends on who owns a socket. */
static bool wants_owner(const struct capture *capture)
{
	return capture_uses_ring(capture) || capture->sums.by <= TCPDWELL_BY_PORT ||
	       capture->filters.pids.count || capture->filters.comm[0] || capture->program;
}

/* Likewise for addresses and families, which are also in the records of sockets. */
static bool wants_addrs(const struct capture *capture)
{
	return capture_uses_ring(capture) || capture->sockets >= CAPTURE_SOCKETS_TOLD ||
	       capture->sums.by == TCPDWELL_BY_PREFIX || capture->filters.family ||
	       capture->filters.addrs.count;
}

/* Returns true if a row that leaves state @from for state @to may be sent. */
static bool may_send(const struct capture *capture, unsigned int from, unsigned int to)
{
	uint16_t either = capture->filters.either;

	return capture->rows && (!from_states(capture) || from_states(capture) >> from & 1) &&
	       (!to_states(capture) || to_states(capture) >> to & 1) &&
	       (!either || (either >> from | either >> to) & 1);
}

/*
 * Returns true if a record tells when TIME_WAIT ends. If none does, and timers tell of timewait
 * sockets, no armed timer need tell of each: it is sought when the full socket closes.
 */
static bool tells_time_wait(const struct capture *capture)
{
	return may_send(capture, TCPDWELL_TIME_WAIT, TCPDWELL_CLOSE) ||
	       (capture->lives && capture->time_wait);
}

static void set_stat_knobs(struct tcpdwell_bpf__rodata *cfg, const struct capture *capture)
{
	const struct capture_sums *sums = &capture->sums;

	cfg->cfg_stat = true;
	cfg->cfg_stat_by = sums->by;
	cfg->cfg_stat_ends = sums->ends;
	cfg->cfg_stat_accepts = sums->accept_waits;
	cfg->cfg_service = sums->service;
	set_mask((uint32_t *)&cfg->cfg_stat_mask4, 1, sums->prefix4);
	set_mask((uint32_t *)cfg->cfg_stat_mask6, 4, sums->prefix6);
	cfg->cfg_skip_owner = !wants_owner(capture);
	cfg->cfg_skip_addrs = !wants_addrs(capture);
}

/*
 * Sets the system calls in which a process closes sockets. Calls that also do much else may be
 * among them, because this is not asked about the end of a connection that no process caused. The
 * numbers are those of the 64-bit calls, so a 32-bit process is not named for closing what another
 * one made.
 */
static void set_closing_calls(struct tcpdwell_bpf__rodata *cfg)
{
	static const uint32_t calls[] = {
		SYS_close,    SYS_close_range, SYS_dup3,       SYS_shutdown,
		SYS_connect,  SYS_accept,      SYS_accept4,    SYS_execve,
		SYS_execveat, SYS_exit,	       SYS_exit_group, SYS_io_uring_enter,
#ifdef SYS_dup2 /* not arm64 */
		SYS_dup2,
#endif
	};
	unsigned int count = sizeof(calls) / sizeof(*calls);
	unsigned int room = sizeof(cfg->cfg_closing_calls) / sizeof(*cfg->cfg_closing_calls);

	_Static_assert(sizeof(calls) <= sizeof(cfg->cfg_closing_calls), "all have room");
	for (unsigned int i = 0; i < room; i++)
		*(uint32_t *)&cfg->cfg_closing_calls[i] = calls[i < count ? i : 0];
}

/* Those of them that take a descriptor away. close() is the first, and names it. */
static void set_letting_go(struct tcpdwell_bpf__rodata *cfg)
{
	static const uint32_t calls[] = {
		SYS_close, SYS_close_range, SYS_dup3, SYS_execve, SYS_execveat, SYS_io_uring_enter,
#ifdef SYS_dup2
		SYS_dup2,
#endif
	};
	unsigned int count = sizeof(calls) / sizeof(*calls);
	unsigned int room = sizeof(cfg->cfg_letting_go) / sizeof(*cfg->cfg_letting_go);

	_Static_assert(sizeof(calls) <= sizeof(cfg->cfg_letting_go), "all have room");
	for (unsigned int i = 0; i < room; i++)
		*(uint32_t *)&cfg->cfg_letting_go[i] = calls[i < count ? i : 0];
}

#define WANT(id) (1ULL << FEATURE_##id)

/*
 * Returns true if the local port of connect() must be known in its row. Where that row is not sent,
 * a port that comes late matters only to a filter, and at the end of a connection it is known.
 */
static bool wants_connect_port(const struct capture *capture)
{
	return may_send(capture, TCPDWELL_CLOSE, TCPDWELL_SYN_SENT) ||
	       ((capture->rows || capture->sums.wanted) &&
		(capture->filters.lports.any || capture->filters.ports.any));
}

/* Returns the features that a run needs to follow transitions. */
static uint64_t wanted_to_follow(const struct capture *capture)
{
	uint64_t wanted = WANT(TRANSITIONS) | WANT(NESTED) | WANT(KEEP_CPU) | WANT(CAST) |
			  WANT(HANDSHAKE) | WANT(FAST_OPEN) | WANT(WORKSPACES);

	if (wants_owner(capture))
		wanted |= WANT(ACCEPT_OWNER) | WANT(EXEC) | WANT(EXIT);
	if (capture->sums.accept_waits)
		wanted |= WANT(ACCEPT_OWNER);
	if (wants_connect_port(capture))
		wanted |= WANT(CONNECT_PORT);
	if (!capture->kernel_view && capture->backend != BACKEND_NONE)
		wanted |= WANT(SYN_RECV) | WANT(TIMEWAIT) | WANT(RESETS) | WANT(FLOODS) |
			  WANT(SWEEP) | WANT(COOKIES);
	if (rings_count(capture) > 1)
		wanted |= WANT(RINGS);
	if (capture->program)
		wanted |= WANT(FORK);
	if (capture->sums.wanted)
		wanted |= WANT(SUMS);
	if (capture->sums.ends)
		wanted |= WANT(CARRIED);
	if (capture->lives)
		wanted |= WANT(LIVES) | WANT(SWEEP);
	if (capture->stacks)
		wanted |= WANT(STACKS);
	if (capture->failed_calls)
		wanted |= WANT(CALLS);
	return wanted;
}

uint64_t knobs_wanted(const struct capture *capture)
{
	uint64_t wanted = WANT(IDENTITY) | WANT(MEMORY) | WANT(RECENT) | WANT(GROWTH) |
			  WANT(ACCOUNT);

	if (capture_follows(capture))
		wanted |= wanted_to_follow(capture);
	if (capture->sockets)
		wanted |= WANT(DESCRIPTORS) | WANT(SUBFLOWS) | WANT(SOCKETS) | WANT(WALK);
	if (capture->filters.pids.count || capture->program)
		wanted |= WANT(PIDS);
	if (capture->filters.addrs.count)
		wanted |= WANT(ADDRESSES);
	return wanted;
}

/* Sets the knobs that depend on maps that may not be there. */
static void set_map_knobs(struct tcpdwell_bpf__rodata *cfg, const struct features *features)
{
	cfg->cfg_remember = features_use(features, FEATURE_MEMORY);
	cfg->cfg_recent = features_use(features, FEATURE_RECENT);
	cfg->cfg_doorbell = features_way(features, FEATURE_GROWTH) == 0;
	cfg->cfg_counters = features_way(features, FEATURE_ACCOUNT) == 0;
	cfg->cfg_workspaces = features_way(features, FEATURE_WORKSPACES) == 0;
	cfg->cfg_nested = features_use(features, FEATURE_NESTED);
	cfg->cfg_handshake = features_use(features, FEATURE_HANDSHAKE);
	cfg->cfg_young = features_use(features, FEATURE_FAST_OPEN);
	cfg->cfg_resets = features_use(features, FEATURE_RESETS);
	cfg->cfg_floods = features_use(features, FEATURE_FLOODS);
	cfg->cfg_subflows = features_use(features, FEATURE_SUBFLOWS);
	cfg->cfg_stacks = features_use(features, FEATURE_STACKS);
	cfg->cfg_carried = features_use(features, FEATURE_CARRIED);
	cfg->cfg_filter_pid = features_use(features, FEATURE_PIDS);
	cfg->cfg_filter_addr = features_use(features, FEATURE_ADDRESSES);
	cfg->cfg_cookies = features_use(features, FEATURE_COOKIES);
	cfg->cfg_cpus = libbpf_num_possible_cpus();
	cfg->cfg_per_cpu_offset = features->can->per_cpu_offset;
	cfg->cfg_follow_forks = features_use(features, FEATURE_FORK);
}

static void set_feature_knobs(struct tcpdwell_bpf__rodata *cfg, const struct features *features)
{
	const struct capability *can = features->can;
	bool ports = features_use(features, FEATURE_CONNECT_PORT);

	cfg->cfg_has_cookie = features_way(features, FEATURE_IDENTITY) == 0;
	cfg->cfg_has_cast = features_have(features, FEATURE_CAST);
	cfg->cfg_preempted = features_have(features, FEATURE_KEEP_CPU);
	cfg->cfg_connect_exit = ports && features_way(features, FEATURE_CONNECT_PORT) == 0;
	cfg->cfg_defer_connect = ports && features_way(features, FEATURE_CONNECT_PORT) == 1;
	cfg->cfg_accept_exit = features_use(features, FEATURE_ACCEPT_OWNER);
	cfg->cfg_requests = features_use(features, FEATURE_SYN_RECV);
	cfg->cfg_timewait = features_use(features, FEATURE_TIMEWAIT);
	cfg->cfg_tw_begins = can->twsk_begins;
	cfg->cfg_poll_timewait = cfg->cfg_timewait &&
				 features_backend(features, FEATURE_TIMEWAIT) == BACKEND_TIMER;
	if (cfg->cfg_poll_timewait)
		cfg->cfg_tw_timer_handler = can->tw_timer_handler;
	if (cfg->cfg_requests && features_backend(features, FEATURE_SYN_RECV) == BACKEND_TIMER)
		cfg->cfg_reqsk_timer_handler = can->reqsk_timer_handler;
	set_map_knobs(cfg, features);
}

int knobs_set(struct tcpdwell_bpf__rodata *cfg, const struct capture *capture,
	      const struct features *features, struct failure *failure)
{
	set_feature_knobs(cfg, features);
	set_closing_calls(cfg);
	set_letting_go(cfg);
	cfg->cfg_sending_calls[0] = SYS_sendmsg;
	cfg->cfg_sending_calls[1] = SYS_sendto;
	cfg->cfg_want_cgroup = capture->cgroups;
	cfg->cfg_kernel_view = capture->kernel_view;
	cfg->cfg_tick_ns = tick_ns();
	cfg->cfg_snapshot_records = capture->sockets >= CAPTURE_SOCKETS_TOLD;
	cfg->cfg_details = capture->sockets >= CAPTURE_SOCKETS_DETAILED;
	cfg->cfg_port_use = capture->port_use;
	cfg->cfg_scope = capture->scope;
	cfg->cfg_rings = features_use(features, FEATURE_RINGS) ? rings_count(capture) : 1;
	cfg->cfg_wakeup_bytes = rings_bytes(capture, cfg->cfg_rings) / WAKEUP_SHARE;
	if (cfg->cfg_wakeup_bytes > WAKEUP_BYTES_MAX)
		cfg->cfg_wakeup_bytes = WAKEUP_BYTES_MAX;
	cfg->cfg_rows = capture->rows;
	cfg->cfg_ends = capture->ends;
	/* If only ends are told, it is soon enough: a request's own stamp says when it began. */
	cfg->cfg_requests_early = capture->rows && !capture->ends;
	cfg->cfg_life = capture->lives;
	cfg->cfg_time_wait = capture->time_wait;
	cfg->cfg_seek_timewait = cfg->cfg_poll_timewait && features->can->ehash &&
				 !tells_time_wait(capture);
	if (capture->sums.wanted)
		set_stat_knobs(cfg, capture);
	return set_filters(cfg, capture, failure);
}
