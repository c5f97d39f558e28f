// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/finders.h"
#include "model/timers.h"

struct findings {
	struct finding *list;
	size_t count;
	struct finding_ports ports[FINDING_PORTS];
	size_t port_count;
};

static const struct {
	const char *name;
	const char *title;
} kinds[FINDING_MAX] = {
	[FINDING_SYN_UNANSWERED] = { "syn_unanswered", "connect() gets no answer" },
	[FINDING_SCAN] = { "scan", "one process tries many addresses" },
	[FINDING_CONNECT_FAILING] = { "connect_failing", "connect() fails" },
	[FINDING_SYN_FLOOD] = { "syn_flood", "handshakes do not complete" },
	[FINDING_ACCEPT_QUEUE_FULL] = { "accept_queue_full",
					"connections wait, and nobody accepts them" },
	[FINDING_HALF_OPEN] = { "half_open", "the peers of open connections seem to be gone" },
	[FINDING_CLOSE_WAIT_LEAK] = { "close_wait_leak",
				      "the peer closed long ago, and the process does not" },
	[FINDING_STUCK_FIN_WAIT1] = { "stuck_fin_wait1", "closed, and the peer does not answer" },
	[FINDING_STUCK_FIN_WAIT2] = { "stuck_fin_wait2", "closed, and the peer does not close" },
	[FINDING_STUCK_CLOSING] = { "stuck_closing",
				    "both sides closed at once, and the peer does not answer" },
	[FINDING_STUCK_LAST_ACK] = { "stuck_last_ack",
				     "both sides closed, and the peer does not answer" },
	[FINDING_PORTS_EXHAUSTED] = { "ports_exhausted", "no local port is left, or soon none" },
	[FINDING_ADDRESS_IN_USE] = { "address_in_use",
				     "bind() or listen() cannot have what it asks for" },
	[FINDING_TIMEWAIT_OVERFLOW] = { "timewait_overflow",
					"there was no room for another timewait socket" },
	[FINDING_KEEPALIVE_DIED] = { "keepalive_died", "connections died of silence" },
	[FINDING_RESETS] = { "resets", "connections are reset" },
	[FINDING_ORPHANS] = { "orphans", "there are nearly as many orphans as there may be" },
	[FINDING_MEMORY] = { "memory", "TCP is short of memory" },
	[FINDING_DESCRIPTORS] = { "descriptors", "a process has nearly all its descriptors open" },
	[FINDING_SELF_CONNECT] = { "self_connect", "a socket is connected to itself" },
};

static const char *const severities[] = {
	[FINDING_NOTE] = "note",
	[FINDING_WARNING] = "warning",
	[FINDING_CRITICAL] = "critical",
};

static const char *const setting_names[FACT_SETTINGS] = {
	[FACT_SYNCOOKIES] = "net.ipv4.tcp_syncookies",
	[FACT_MAX_SYN_BACKLOG] = "net.ipv4.tcp_max_syn_backlog",
	[FACT_SOMAXCONN] = "net.core.somaxconn",
	[FACT_ABORT_ON_OVERFLOW] = "net.ipv4.tcp_abort_on_overflow",
	[FACT_RETRIES2] = "net.ipv4.tcp_retries2",
	[FACT_ORPHAN_RETRIES] = "net.ipv4.tcp_orphan_retries",
	[FACT_SYN_RETRIES] = "net.ipv4.tcp_syn_retries",
	[FACT_SYN_LINEAR_TIMEOUTS] = "net.ipv4.tcp_syn_linear_timeouts",
	[FACT_SYNACK_RETRIES] = "net.ipv4.tcp_synack_retries",
	[FACT_RTO_MAX_MS] = "net.ipv4.tcp_rto_max_ms",
	[FACT_FIN_TIMEOUT] = "net.ipv4.tcp_fin_timeout",
	[FACT_KEEPALIVE_TIME] = "net.ipv4.tcp_keepalive_time",
	[FACT_KEEPALIVE_INTVL] = "net.ipv4.tcp_keepalive_intvl",
	[FACT_KEEPALIVE_PROBES] = "net.ipv4.tcp_keepalive_probes",
	[FACT_TW_REUSE] = "net.ipv4.tcp_tw_reuse",
	[FACT_TIMESTAMPS] = "net.ipv4.tcp_timestamps",
	[FACT_MAX_TW_BUCKETS] = "net.ipv4.tcp_max_tw_buckets",
	[FACT_MAX_ORPHANS] = "net.ipv4.tcp_max_orphans",
	[FACT_PORTS_LOW] = "net.ipv4.ip_local_port_range",
	[FACT_PORTS_HIGH] = "net.ipv4.ip_local_port_range",
	[FACT_PORTS_RESERVED] = "net.ipv4.ip_local_reserved_ports",
	[FACT_UNPRIVILEGED] = "net.ipv4.ip_unprivileged_port_start",
	[FACT_NO_IPV6] = "net.ipv6.conf.all.disable_ipv6",
};

const char *finding_name(enum finding_id id)
{
	return kinds[id].name;
}

const char *finding_title(enum finding_id id)
{
	return kinds[id].title;
}

const char *finding_severity_name(enum finding_severity severity)
{
	return severities[severity];
}

const char *fact_setting_name(enum fact_setting setting)
{
	return setting_names[setting];
}

/* ---- What the parts share ---- */

struct finding *finder_add(struct finder *finder, enum finding_id id,
			   enum finding_severity severity)
{
	struct finding *list = finder->list;

	if (finder->count == finder->room) {
		size_t room = finder->room ? finder->room * 2 : 16;

		list = reallocarray(list, room, sizeof(*list));
		if (!list) {
			finder->err = -ENOMEM;
			return NULL;
		}
		finder->list = list;
		finder->room = room;
	}
	list[finder->count] = (struct finding){ .id = id, .severity = severity };
	return &list[finder->count++];
}

void finding_figure(struct finding *finding, const char *name, uint64_t value,
		    enum finding_unit unit, bool grew)
{
	if (finding->figure_count == FINDING_FIGURES)
		return;
	finding->figures[finding->figure_count++] = (struct finding_figure){ name, value, unit,
									     grew && value };
}

void finding_setting(struct finding *finding, enum fact_setting setting)
{
	if (finding->setting_count < FINDING_SETTINGS)
		finding->settings[finding->setting_count++] = setting;
}

void finding_why(struct finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->why, sizeof(finding->why), format, args);
	va_end(args);
}

void finding_more(struct finding *finding, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(finding->more, sizeof(finding->more), format, args);
	va_end(args);
}

const struct fact_netns *finder_netns(const struct finder *finder, uint32_t inode)
{
	return facts_netns(finder->facts, inode);
}

uint64_t finder_grew(const struct finder *finder, uint32_t inode, enum fact_counter counter)
{
	const struct fact_netns *netns = finder_netns(finder, inode);

	return netns ? netns->grew[counter] : 0;
}

bool finder_is_off(const struct finder *finder, const struct fact_address *at)
{
	const struct fact_netns *netns = finder_netns(finder, at->netns);

	return at->family == 6 && netns && netns->settings[FACT_NO_IPV6] == 1;
}

void finding_advise_off(struct finding *finding)
{
	finding->helps = "An address of IPv4 (127.0.0.1 for localhost), or "
			 "net.ipv6.conf.all.disable_ipv6=0.";
	finding_setting(finding, FACT_NO_IPV6);
}

/*
 * Returns the settings of a namespace for deadline.h; the kernel's defaults for those that are not
 * known.
 */
static struct deadline_settings settings_of(const struct finder *finder, uint32_t inode)
{
	const struct fact_netns *netns = finder_netns(finder, inode);

	return netns ? timers_settings(netns->settings) : deadline_defaults;
}

void finding_end(const struct finder *finder, struct finding *finding,
		 const struct fact_socket *socket)
{
	struct deadline_settings settings = settings_of(finder, socket->at.netns);
	struct deadline end = deadline_of(&socket->timers, &settings);

	/* It is not known when the others end. */
	if (socket->others)
		return;
	if (finding->has_end && (end.kind < finding->end.kind ||
				 (end.kind == finding->end.kind && end.ns <= finding->end.ns)))
		return;
	finding->has_end = true;
	finding->end = end;
}

bool finder_is(const struct finder *finder, const struct fact_socket *socket, enum finder_kind kind,
	       finder_test *test)
{
	switch (socket->part) {
	case FACT_FOLDED:
		return socket->kinds & kind;
	case FACT_PEER:
		return kind == FINDER_PEERS;
	default:
		return test(socket, finder->facts->leak_ns);
	}
}

static int compare_ends(const struct fact_address *a, const struct fact_address *b)
{
	return compare(a->lport, b->lport)			    ?:
		       compare(a->rport, b->rport)		    ?:
		       memcmp(a->laddr, b->laddr, sizeof(a->laddr)) ?:
		       memcmp(a->raddr, b->raddr, sizeof(a->raddr));
}

static int compare_by_ends(const void *a, const void *b)
{
	const struct fact_socket *const *x = a, *const *y = b;

	return compare_ends(&(*x)->at, &(*y)->at);
}

const struct fact_socket *finder_peer(struct finder *finder, const struct fact_socket *socket)
{
	const struct facts *facts = finder->facts;
	struct fact_socket peer = { .at = { .lport = socket->at.rport,
					    .rport = socket->at.lport } };
	const struct fact_socket *key = &peer, *const * found;

	if (!finder->ends) {
		finder->ends = calloc(facts->socket_count, sizeof(*finder->ends));
		if (!finder->ends)
			return NULL;
		for (size_t i = 0; i < facts->socket_count; i++)
			finder->ends[i] = &facts->sockets[i];
		qsort(finder->ends, facts->socket_count, sizeof(*finder->ends), compare_by_ends);
	}
	memcpy(peer.at.laddr, socket->at.raddr, sizeof(peer.at.laddr));
	memcpy(peer.at.raddr, socket->at.laddr, sizeof(peer.at.raddr));
	found = bsearch(&key, finder->ends, facts->socket_count, sizeof(*finder->ends),
			compare_by_ends);
	return found ? *found : NULL;
}

bool finder_peer_is_here(struct finder *finder, const struct fact_socket *socket)
{
	const struct fact_socket *peer;

	if (socket->part == FACT_PEER)
		return socket->peer_near;
	peer = finder_peer(finder, socket);
	return peer && peer->state == TCPDWELL_ESTABLISHED;
}

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(((struct fact_address *)NULL)->raddr));
}

size_t finder_remote_addresses(const struct fact_socket *const *group, size_t count)
{
	uint8_t(*addresses)[16] = calloc(count, sizeof(*addresses));
	size_t different = 0;

	if (!addresses)
		return 1;
	for (size_t i = 0; i < count; i++)
		memcpy(addresses[i], group[i]->at.raddr, sizeof(*addresses));
	qsort(addresses, count, sizeof(*addresses), compare_addresses);
	for (size_t i = 0; i < count; i++)
		different += !i || compare_addresses(addresses[i - 1], addresses[i]);
	free(addresses);
	return different;
}

/* Has the command look at the namespace that the finding is about, unless it is the tool's own. */
static void tell_namespace(const struct finder *finder, struct finding *finding)
{
	const struct fact_netns *netns = finder_netns(finder, finding->at.netns);
	size_t len = strlen(finding->more), room = sizeof(finding->more) - len, named;

	if (!len || !netns || netns->own)
		return;
	named = strlen(netns->name);
	if (named && named < sizeof(netns->name) - 1) /* a longer name was cut */
		snprintf(finding->more + len, room, " --netns %s", netns->name);
	else
		snprintf(finding->more + len, room, " --netns %" PRIu32, netns->inode);
}

/* ---- All of them ---- */

static int worst_first(const void *a, const void *b)
{
	const struct finding *x = a, *y = b;

	return compare(y->severity, x->severity)	   ?:
		       compare(x->id, y->id)		   ?:
		       compare(y->count, x->count)	   ?:
		       compare(x->owner.pid, y->owner.pid) ?:
							     memcmp(&x->at, &y->at, sizeof(x->at));
}

struct findings *findings_new(const struct facts *facts)
{
	static void (*const parts[])(struct finder *) = {
		find_unanswered, find_failing, find_listeners, find_half_open,
		find_stuck,	 find_ports,   find_taken,     find_self_connect,
		find_ends,	 find_sums,    find_host,
	};
	struct findings *findings = calloc(1, sizeof(*findings));
	struct finder finder = { .facts = facts };

	finder.picked = calloc(facts->socket_count + 1, sizeof(*finder.picked));
	if (!findings || !finder.picked)
		finder.err = -ENOMEM;
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(*parts) && !finder.err; i++)
		parts[i](&finder);
	free(finder.picked);
	free(finder.ends);
	if (finder.err) {
		free(findings);
		free(finder.list);
		errno = -finder.err;
		return NULL;
	}
	for (size_t i = 0; i < finder.count; i++)
		tell_namespace(&finder, &finder.list[i]);
	if (finder.count)
		qsort(finder.list, finder.count, sizeof(*finder.list), worst_first);
	findings->list = finder.list;
	findings->count = finder.count;
	memcpy(findings->ports, finder.ports, sizeof(findings->ports));
	findings->port_count = finder.port_count;
	return findings;
}

void findings_free(struct findings *findings)
{
	if (!findings)
		return;
	free(findings->list);
	free(findings);
}

size_t findings_count(const struct findings *findings)
{
	return findings->count;
}

size_t findings_ports_count(const struct findings *findings)
{
	return findings->port_count;
}

const struct finding_ports *findings_ports_at(const struct findings *findings, size_t i)
{
	return &findings->ports[i];
}

const struct finding *findings_at(const struct findings *findings, size_t i)
{
	return &findings->list[i];
}
