// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/ephemeral.h"
#include "host/netns_walk.h"
#include "host/netstat.h"
#include "host/procfs_process.h"
#include "host/sockdiag.h"
#include "host/sockdiag_filter.h"
#include "kernel/loader.h"
#include "model/gather.h"
#include "model/names_wanted.h"
#include "run/session.h"
#include "run/survey.h"

_Static_assert(PROCFS_CALL_BYTES == FACT_CALL, "a name of a call fits");
_Static_assert(NETSTAT_UNKNOWN == FACT_UNKNOWN, "what is not known is so everywhere");

/* The counters as /proc/net/snmp and /proc/net/netstat name them. */
static const char *const counter_names[FACT_COUNTERS] = {
	[FACT_SYNCOOKIES_SENT] = "TcpExt.SyncookiesSent",
	[FACT_SYNCOOKIES_RECV] = "TcpExt.SyncookiesRecv",
	[FACT_REQ_FULL_DROP] = "TcpExt.TCPReqQFullDrop",
	[FACT_LISTEN_OVERFLOWS] = "TcpExt.ListenOverflows",
	[FACT_LISTEN_DROPS] = "TcpExt.ListenDrops",
	[FACT_TIMEWAIT_OVERFLOW] = "TcpExt.TCPTimeWaitOverflow",
	[FACT_ABORT_ON_MEMORY] = "TcpExt.TCPAbortOnMemory",
	[FACT_ABORT_ON_CLOSE] = "TcpExt.TCPAbortOnClose",
	[FACT_ABORT_ON_DATA] = "TcpExt.TCPAbortOnData",
	[FACT_ABORT_ON_LINGER] = "TcpExt.TCPAbortOnLinger",
	[FACT_MEMORY_PRESSURES] = "TcpExt.TCPMemoryPressures",
	[FACT_OUT_RSTS] = "Tcp.OutRsts",
	[FACT_ESTAB_RESETS] = "Tcp.EstabResets",
};

/* Paths as netns_file.h takes them. The ports are read by ephemeral_read_place() instead. */
static const char *const setting_files[FACT_SETTINGS] = {
	[FACT_SYNCOOKIES] = "ipv4/tcp_syncookies",
	[FACT_MAX_SYN_BACKLOG] = "ipv4/tcp_max_syn_backlog",
	[FACT_SOMAXCONN] = "core/somaxconn",
	[FACT_ABORT_ON_OVERFLOW] = "ipv4/tcp_abort_on_overflow",
	[FACT_RETRIES2] = "ipv4/tcp_retries2",
	[FACT_ORPHAN_RETRIES] = "ipv4/tcp_orphan_retries",
	[FACT_SYN_RETRIES] = "ipv4/tcp_syn_retries",
	[FACT_SYN_LINEAR_TIMEOUTS] = "ipv4/tcp_syn_linear_timeouts",
	[FACT_SYNACK_RETRIES] = "ipv4/tcp_synack_retries",
	[FACT_RTO_MAX_MS] = "ipv4/tcp_rto_max_ms",
	[FACT_FIN_TIMEOUT] = "ipv4/tcp_fin_timeout",
	[FACT_KEEPALIVE_TIME] = "ipv4/tcp_keepalive_time",
	[FACT_KEEPALIVE_INTVL] = "ipv4/tcp_keepalive_intvl",
	[FACT_KEEPALIVE_PROBES] = "ipv4/tcp_keepalive_probes",
	[FACT_TW_REUSE] = "ipv4/tcp_tw_reuse",
	[FACT_TIMESTAMPS] = "ipv4/tcp_timestamps",
	[FACT_MAX_TW_BUCKETS] = "ipv4/tcp_max_tw_buckets",
	[FACT_MAX_ORPHANS] = "ipv4/tcp_max_orphans",
	[FACT_UNPRIVILEGED] = "ipv4/ip_unprivileged_port_start",
	[FACT_NO_IPV6] = "ipv6/conf/all/disable_ipv6",
};

/* ---- Namespaces ---- */

static uint64_t read_setting(const struct netns_place *place, const char *name)
{
	char *text = netns_place_setting(place, name), *end;
	uint64_t value = FACT_UNKNOWN;

	if (!text)
		return value;
	value = strtoull(text, &end, 10);
	if (end == text)
		value = FACT_UNKNOWN;
	free(text);
	return value;
}

/*
 * For some settings that an older kernel does not have, it fills in the value that the kernel
 * behaves like.
 */
void survey_settings(const struct netns_place *place, uint64_t settings[FACT_SETTINGS])
{
	struct ephemeral ports;

	for (unsigned int i = 0; i < FACT_SETTINGS; i++)
		settings[i] = setting_files[i] ? read_setting(place, setting_files[i]) :
						 FACT_UNKNOWN;
	if (settings[FACT_SYN_LINEAR_TIMEOUTS] == FACT_UNKNOWN)
		settings[FACT_SYN_LINEAR_TIMEOUTS] = 0;
	if (ephemeral_read_place(&ports, place))
		return;
	settings[FACT_PORTS_LOW] = ports.low;
	settings[FACT_PORTS_HIGH] = ports.high;
	settings[FACT_PORTS_RESERVED] = ports.reserved;
}

struct survey_walk {
	struct gather *gather;
	struct survey *survey;
	bool drops; /* ask for the drops of listeners */
	struct netstat_host host;
};

static int take_listener(void *context, const struct sockdiag_socket *socket)
{
	const struct survey_walk *walk = context;

	return gather_drops(walk->gather, socket->cookie, socket->drops);
}

static int take_netns(void *context, const struct netns_place *place)
{
	struct survey_walk *walk = context;
	struct gather_netns netns = { .inode = place->inode };
	int err, fd = -1;

	walk->survey->namespaces++;
	netns.own = place->own;
	if (place->name)
		snprintf(netns.name, sizeof(netns.name), "%s", place->name);
	/*
	 * Only the first network namespace shows the host's memory limit, and it may not be ours.
	 */
	if (walk->host.pressure_pages == NETSTAT_UNKNOWN)
		netstat_add_host(place, &walk->host);
	netstat_read(place, counter_names, netns.counters, FACT_COUNTERS);
	survey_settings(place, netns.settings);
	netns.orphans = walk->host.orphans;
	err = gather_netns(walk->gather, &netns);
	if (walk->drops)
		fd = netns_place_sockdiag(place);
	/* If the kernel has no sock_diag, only what the walk over sockets finds is left. */
	if (!err && fd >= 0 &&
	    sockdiag_dump(fd, 1U << TCPDWELL_LISTEN, take_listener, walk) == -ENOMEM)
		err = -ENOMEM;
	if (fd >= 0)
		close(fd);
	return err;
}

static int look_at_netns(struct session *session, struct gather *gather, uint32_t only, bool drops,
			 struct survey *survey)
{
	struct survey_walk walk = {
		.gather = gather,
		.survey = survey,
		.drops = drops,
		.host = netstat_host_unknown,
	};
	const struct netns_place own = { .own = true, .steward = session->steward };
	int err;

	*survey = (struct survey){};
	gather_look(gather);
	netstat_add_host(&own, &walk.host);
	err = netns_walk(session->steward, only, take_netns, &walk, &survey->closed);
	gather_memory(gather, walk.host.pages, walk.host.pressure_pages);
	return err;
}

/* ---- Processes ---- */

void survey_processes(struct session *session, struct gather *gather)
{
	size_t count;
	struct fact_process *facts = gather_processes(gather, &count);

	for (size_t i = 0; i < count; i++) {
		const struct fact_owner *owner = &facts[i].owner;
		struct procfs_process process;

		session_process(session, owner->pid, owner->comm, &process);
		facts[i].descriptors = process.fds;
		facts[i].limit = process.fd_limit;
		facts[i].state = process.state;
		facts[i].threads = process.threads;
		facts[i].ring = process.ring;
		memcpy(facts[i].call, process.call, sizeof(facts[i].call));
	}
}

/* ---- Calls that failed ---- */

struct survey_calls {
	struct session *session;
	uint32_t only; /* inode of the namespace; 0: all */
	survey_failed_call *take;
	void *context;
};

static bool process_wanted(struct session *session, uint32_t pid, const char *comm)
{
	const struct filters *filters = &session->options->filters;
	struct named_cgroup cgroup = {};
	struct procfs_process process;

	if (!filters_want_process(filters, pid, comm))
		return false;
	if (!filters_have_names(filters))
		return true;
	session_process(session, pid, comm, &process);
	container_texts(&process.container, cgroup.texts);
	return names_wanted(filters, &cgroup);
}

/*
 * Returns true if the filters want the call. The kernel side does not filter: it counts the calls
 * of all processes.
 */
static bool call_wanted(const struct survey_calls *calls, const struct fact_failure *failure)
{
	const struct filters *filters = &calls->session->options->filters;
	struct sockdiag_socket like = {
		.family = failure->at.family,
		.lport = failure->at.lport,
		.rport = failure->at.rport,
	};

	memcpy(like.laddr, failure->at.laddr, sizeof(like.laddr));
	memcpy(like.raddr, failure->at.raddr, sizeof(like.raddr));
	return (!calls->only || failure->at.netns == calls->only) && !filters->uids.count &&
	       !filters->cgroup && sockdiag_wanted(filters, &like) &&
	       process_wanted(calls->session, failure->owner.pid, failure->owner.comm);
}

static int take_failed_call(void *context, const struct tcpdwell_failed_call *call,
			    const struct tcpdwell_failed_calls *counts)
{
	const struct survey_calls *calls = context;
	const struct fact_failure failure = gather_failure_of(call, counts, counts->count);

	return call_wanted(calls, &failure) ? calls->take(calls->context, call, counts) :
					      LOADER_FORGET;
}

int survey_failed_calls(struct session *session, uint32_t only, survey_failed_call *take,
			void *context)
{
	struct survey_calls calls = { session, only, take, context };

	return session->loader ?
		       loader_each_failed_call(session->loader, take_failed_call, &calls) :
		       0;
}

/* ---- A look ---- */

int survey_begin(struct session *session, struct gather *gather, uint32_t only,
		 struct survey *survey)
{
	return look_at_netns(session, gather, only, true, survey);
}

int survey_look(struct session *session, struct gather *gather, uint32_t only,
		struct survey *survey)
{
	return look_at_netns(session, gather, only, false, survey);
}
