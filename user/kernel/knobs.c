// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <arpa/inet.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "host/ephemeral.h"
#include "host/resolve.h"
#include "kernel/knobs.h"
#include "tcpdwell.skel.h"

/*
 * Pending bytes that wake the reader: a quarter of the ring leaves three for what comes meanwhile.
 */
#define WAKEUP_SHARE	 4
#define WAKEUP_BYTES_MAX (1U << 20)

/* The coarse clock moves once in a tick of the kernel, and says how long that is. */
static uint64_t tick_ns(void)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick))
		return 1000000; /* the shortest there is: a bound that stays true */
	return tick.tv_sec * 1000000000ULL + tick.tv_nsec;
}

/* The lowest and the highest of the local ports that pass. */
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

static int set_filters(struct tcpdwell_bpf__rodata *cfg, const struct filters *filters,
		       struct failure *failure)
{
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
	cfg->cfg_filter_addr = filters->addrs.count > 0;
	memcpy((void *)cfg->cfg_lports, filters->lports.bits, sizeof(filters->lports.bits));
	memcpy((void *)cfg->cfg_rports, filters->rports.bits, sizeof(filters->rports.bits));
	memcpy((void *)cfg->cfg_ports, filters->ports.bits, sizeof(filters->ports.bits));
	set_port_bounds(cfg, filters);
	cfg->cfg_uid_count = filters->uids.count;
	memcpy((void *)cfg->cfg_uids, filters->uids.ids, filters->uids.count * sizeof(uint32_t));
	cfg->cfg_filter_comm = filters->comm[0];
	memcpy((void *)cfg->cfg_comm, filters->comm, sizeof(filters->comm));
	cfg->cfg_from_states = filters->from;
	cfg->cfg_to_states = filters->to;
	cfg->cfg_either_states = filters->either;
	cfg->cfg_min_dwell_ns = filters->min_dwell_ns;
	return 0;
}

/* The first @bits bits of an address in network order. */
static void set_mask(uint32_t *words, unsigned int count, unsigned int bits)
{
	for (unsigned int i = 0; i < count; i++, bits -= bits < 32 ? bits : 32)
		words[i] = htonl(bits ? UINT32_MAX << (bits < 32 ? 32 - bits : 0) : 0);
}

/* Whether anything of the histograms or the filters hangs on who owns a socket. */
static bool wants_owner(const struct options *options)
{
	return options->by <= TCPDWELL_BY_PORT || options->filters.pids.count ||
	       options->filters.comm[0] || options->program;
}

/* Likewise on addresses and families. */
static bool wants_addrs(const struct options *options)
{
	return options->by == TCPDWELL_BY_PREFIX || options->filters.family ||
	       options->filters.addrs.count;
}

/* The range of the tracer's own namespace: what others set is not known there (stat.bpf.h). */
static void set_ephemeral(struct tcpdwell_bpf__rodata *cfg)
{
	struct ephemeral ephemeral;

	if (ephemeral_read(&ephemeral, ""))
		return;
	cfg->cfg_ephemeral_low = ephemeral.low;
	cfg->cfg_ephemeral_high = ephemeral.high;
}

/* Rows that are summed wait for no one: a port that comes late is only of interest to a filter. */
static void set_stat_knobs(struct tcpdwell_bpf__rodata *cfg, const struct options *options,
			   const struct capability *can)
{
	bool wants_port = options->filters.lports.any || options->filters.ports.any;

	cfg->cfg_stat = true;
	cfg->cfg_stat_by = options->by;
	set_ephemeral(cfg);
	set_mask((uint32_t *)&cfg->cfg_stat_mask4, 1, options->prefix4);
	set_mask((uint32_t *)cfg->cfg_stat_mask6, 4, options->prefix6);
	cfg->cfg_seek_minis = cfg->cfg_poll_minis && can->ehash;
	cfg->cfg_connect_exit &= wants_port;
	cfg->cfg_defer_connect &= wants_port;
	cfg->cfg_want_cgroup = options->by == TCPDWELL_BY_CGROUP;
	cfg->cfg_skip_owner = !wants_owner(options);
	cfg->cfg_skip_addrs = !wants_addrs(options);
}

/*
 * An end of a connection that is no process's doing is not asked about, so these may also do much
 * else. Numbers of the 64-bit calls: a 32-bit process is not named for closing what another made.
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

int knobs_set(struct tcpdwell_bpf__rodata *cfg, const struct options *options,
	      const struct capability *can, struct failure *failure)
{
	cfg->cfg_has_cookie = can->cookie;
	cfg->cfg_has_cast = can->cast;
	cfg->cfg_preempted = can->preempt_disable;
	cfg->cfg_connect_exit = !can->fentry.err;
	cfg->cfg_defer_connect = can->fentry.err && can->atomic;
	cfg->cfg_accept_exit = !can->fentry.err || !can->kprobe.err || !can->syscall.err;
	if (!options->kernel_view) {
		cfg->cfg_requests = can->requests != BACKEND_NONE;
		cfg->cfg_minis = can->minis != BACKEND_NONE;
		cfg->cfg_poll_minis = can->minis == BACKEND_TIMER;
		if (can->minis == BACKEND_TIMER)
			cfg->cfg_tw_timer_handler = can->tw_timer_handler;
		if (can->requests == BACKEND_TIMER)
			cfg->cfg_reqsk_timer_handler = can->reqsk_timer_handler;
	}
	set_closing_calls(cfg);
	cfg->cfg_want_cgroup = options->wide || options->format != FORMAT_TABLE;
	cfg->cfg_kernel_view = options->kernel_view;
	cfg->cfg_tick_ns = tick_ns();
	cfg->cfg_snapshot_records = options->command == COMMAND_SNAPSHOT ||
				    options->command == COMMAND_LEAKS;
	cfg->cfg_stacks = options->stacks && options->watch;
	cfg->cfg_wakeup_bytes = options->ring_bytes / WAKEUP_SHARE;
	if (cfg->cfg_wakeup_bytes > WAKEUP_BYTES_MAX)
		cfg->cfg_wakeup_bytes = WAKEUP_BYTES_MAX;
	cfg->cfg_filter_pid = options->filters.pids.count || options->program;
	cfg->cfg_follow_forks = options->program;
	if (options->command == COMMAND_STAT)
		set_stat_knobs(cfg, options, can);
	return set_filters(cfg, &options->filters, failure);
}
