// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Findings of what runs out (ports, orphans, memory, descriptors), and of how connections end. */
#include <errno.h>
#include <string.h>

#include "model/finders.h"

/* Of a limit, from which on it is one to speak of. */
#define SHARE_PERCENT 80

#define DIED 3

#define RESETS		  5
#define RESETS_PERCENT	  5
#define RESETS_MANY_SHARE 50

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? part * 100 / whole : 0;
}

/* ---- Local ports ---- */

/* How many there are for connect(), 0: not known. */
static uint64_t usable_ports(const struct fact_netns *netns)
{
	uint64_t low, high, reserved;

	if (!netns)
		return 0;
	low = netns->settings[FACT_PORTS_LOW];
	high = netns->settings[FACT_PORTS_HIGH];
	reserved = netns->settings[FACT_PORTS_RESERVED];
	if (low == FACT_UNKNOWN || high == FACT_UNKNOWN || high < low)
		return 0;
	if (reserved == FACT_UNKNOWN || reserved > high - low + 1)
		reserved = 0;
	return high - low + 1 - reserved;
}

/* It takes a port of the range away from others to the same destination. */
static bool takes_port(const struct finder *finder, const struct fact_socket *socket)
{
	const struct fact_netns *netns = finder_netns(finder, socket->at.netns);

	return socket->client && netns && socket->at.lport && socket->state != TCPDWELL_LISTEN &&
	       socket->at.lport >= netns->settings[FACT_PORTS_LOW] &&
	       socket->at.lport <= netns->settings[FACT_PORTS_HIGH];
}

static int by_ends(const struct fact_socket *a, const struct fact_socket *b)
{
	return finder_order(a->at.netns, b->at.netns)			     ?:
		       finder_order(a->at.rport, b->at.rport)		     ?:
		       memcmp(a->at.raddr, b->at.raddr, sizeof(a->at.raddr)) ?:
		       memcmp(a->at.laddr, b->at.laddr, sizeof(a->at.laddr));
}

/* Calls that failed for the want of a port, to this destination or, of bind(), to any. */
static uint64_t ports_refused(const struct finder *finder, const struct fact_address *at)
{
	uint64_t count = 0;

	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];

		if (failure->at.netns != at->netns)
			continue;
		if (failure->call == FACT_CONNECT && failure->err == EADDRNOTAVAIL &&
		    failure->at.rport == at->rport &&
		    !memcmp(failure->at.raddr, at->raddr, sizeof(at->raddr)))
			count += failure->count;
		else if (failure->call == FACT_BIND && failure->err == EADDRINUSE &&
			 !failure->at.lport)
			count += failure->count;
	}
	return count;
}

/* Who was refused, where it is not known who has the ports. */
static void name_refused(const struct finder *finder, struct finding *finding)
{
	for (size_t i = 0; i < finder->facts->failure_count && !finding->owner.pid; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];

		if (failure->call == FACT_CONNECT && failure->err == EADDRNOTAVAIL &&
		    failure->at.netns == finding->at.netns &&
		    failure->at.rport == finding->at.rport &&
		    !memcmp(failure->at.raddr, finding->at.raddr, sizeof(finding->at.raddr)))
			finding->owner = failure->owner;
	}
}

static void describe_ports(struct finding *finding, uint64_t open, uint64_t timewait,
			   uint64_t usable, uint64_t refused)
{
	finding->count = open + timewait;
	finding_figure(finding, "ports_used", open + timewait, FIGURE_COUNT, false);
	if (usable) {
		finding_figure(finding, "ports", usable, FIGURE_COUNT, false);
		finding_figure(finding, "used", percent(open + timewait, usable), FIGURE_PERCENT,
			       false);
	}
	finding_figure(finding, "open", open, FIGURE_COUNT, false);
	finding_figure(finding, "timewait", timewait, FIGURE_COUNT, false);
	if (refused)
		finding_figure(finding, "failed", refused, FIGURE_COUNT, true);
	finding_setting(finding, FACT_PORTS_LOW);
	finding_setting(finding, FACT_PORTS_HIGH);
	if (timewait > open)
		finding_setting(finding, FACT_TW_REUSE);
	finding_why(finding, "%s",
		    !(open + timewait) ? "No port was free when it was asked for." :
		    timewait > open ? "Connections that were closed here hold them in TIME_WAIT." :
				      "Open connections hold them.");
	finding_more(finding, "tcpdwell timewait -d 10s");
}

static void found_ports(struct finder *finder, const struct fact_socket *const *group, size_t count)
{
	uint64_t usable = usable_ports(finder_netns(finder, group[0]->at.netns));
	uint64_t refused = ports_refused(finder, &group[0]->at), timewait = 0;
	struct finding *finding;

	if ((!usable || percent(count, usable) < SHARE_PERCENT) && !refused)
		return;
	/* A failure tells of the destination that has the most ports, not of each. */
	if (refused && usable && percent(count, usable) < SHARE_PERCENT / 2)
		return;
	finding = finder_add(finder, FINDING_PORTS_EXHAUSTED,
			     refused ? FINDING_CRITICAL : FINDING_WARNING);
	if (!finding)
		return;
	for (size_t i = 0; i < count; i++) {
		timewait += group[i]->state == TCPDWELL_TIME_WAIT;
		if (group[i]->owner.pid)
			finding->owner = group[i]->owner;
		finding_end(finder, finding, group[i]);
	}
	finding->at = group[0]->at;
	finding->at.lport = 0;
	name_refused(finder, finding);
	describe_ports(finding, count - timewait, timewait, usable, refused);
}

static bool was_found_short(const struct finder *finder, const struct fact_failure *failure)
{
	for (size_t i = 0; i < finder->count; i++)
		if (finder->list[i].id == FINDING_PORTS_EXHAUSTED &&
		    finder->list[i].at.netns == failure->at.netns)
			return true;
	return false;
}

/* What holds the ports was not seen, as bind() takes them before there is a destination. */
static void find_refused_ports(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];
		bool connect = failure->call == FACT_CONNECT && failure->err == EADDRNOTAVAIL;
		bool bind = failure->call == FACT_BIND && failure->err == EADDRINUSE &&
			    !failure->at.lport;
		struct finding *finding;

		if ((!connect && !bind) || was_found_short(finder, failure))
			continue;
		finding = finder_add(finder, FINDING_PORTS_EXHAUSTED, FINDING_CRITICAL);
		if (!finding)
			return;
		finding->owner = failure->owner;
		finding->at = failure->at;
		finding->err = failure->err;
		describe_ports(finding, 0, 0, usable_ports(finder_netns(finder, failure->at.netns)),
			       failure->count);
	}
}

/* A port that was asked for by number. */
static void find_port_taken(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->failure_count; i++) {
		const struct fact_failure *failure = &finder->facts->failures[i];
		const struct fact_socket *holder = NULL;
		struct finding *finding;
		uint64_t left = 0;

		if (failure->call != FACT_BIND || failure->err != EADDRINUSE || !failure->at.lport)
			continue;
		finding = finder_add(finder, FINDING_ADDRESS_IN_USE, FINDING_WARNING);
		if (!finding)
			return;
		for (size_t j = 0; j < finder->facts->socket_count; j++) {
			const struct fact_socket *socket = &finder->facts->sockets[j];

			if (socket->at.netns != failure->at.netns ||
			    socket->at.lport != failure->at.lport)
				continue;
			if (socket->state == TCPDWELL_LISTEN)
				holder = socket;
			left += socket->state == TCPDWELL_TIME_WAIT;
		}
		finding->count = failure->count;
		finding->owner = failure->owner;
		finding->at = failure->at;
		finding->err = failure->err;
		finding_figure(finding, "failed", failure->count, FIGURE_COUNT, true);
		finding_figure(finding, "timewait", left, FIGURE_COUNT, false);
		if (holder)
			finding_why(finding, "%s (pid %u) listens there.", holder->owner.comm,
				    holder->owner.pid);
		else if (left)
			finding_why(finding, "What is left of the last server's connections is in "
					     "TIME_WAIT, and SO_REUSEADDR is not set.");
		finding_more(finding, "tcpdwell snapshot --sockets -L %u", failure->at.lport);
	}
}

void find_ports(struct finder *finder)
{
	finder_groups(finder, takes_port, by_ends, found_ports);
	find_refused_ports(finder);
	find_port_taken(finder);
}

/* ---- How connections end ---- */

static bool same_owner(const struct fact_owner *a, const struct fact_owner *b)
{
	return a->pid == b->pid && !strcmp(a->comm, b->comm);
}

static uint64_t ends_of_owner(const struct finder *finder, const struct fact_owner *owner)
{
	uint64_t count = 0;

	for (size_t i = 0; i < finder->facts->end_count; i++)
		if (same_owner(&finder->facts->ends[i].owner, owner) &&
		    finder->facts->ends[i].from != TCPDWELL_SYN_SENT)
			count += finder->facts->ends[i].count;
	return count;
}

static const char *why_reset(const struct finder *finder, const struct fact_end *end)
{
	const struct fact_netns *netns = finder_netns(finder, end->at.netns);

	if (end->reason == TCPDWELL_REASON_RESET_RECEIVED)
		return "The peer sends the RST: it aborts, has crashed, or does not know the "
		       "connection any more.";
	if (netns && netns->grew[FACT_ABORT_ON_CLOSE] >= end->count / 2 + 1)
		return "The process closes with data that it has not read.";
	if (netns && netns->grew[FACT_ABORT_ON_DATA] >= end->count / 2 + 1)
		return "The process closes with SO_LINGER of 0, or data comes after it has closed.";
	return "This side sends the RST.";
}

/* Of one process where it is known, else of all. */
static void show_ends(struct finding *finding)
{
	if (finding->owner.pid)
		finding_more(finding, "tcpdwell --to CLOSE -p %u", finding->owner.pid);
	else if (finding->at.lport || finding->at.rport)
		finding_more(finding, "tcpdwell --to CLOSE --port %u",
			     finding->at.lport ?: finding->at.rport);
	else
		finding_more(finding, "tcpdwell --to CLOSE");
}

static void found_resets(struct finder *finder, const struct fact_end *end, uint64_t all)
{
	struct finding *finding = finder_add(finder, FINDING_RESETS, FINDING_NOTE);

	if (!finding)
		return;
	if (percent(end->count, all) >= RESETS_MANY_SHARE)
		finding->severity = FINDING_WARNING;
	finding->count = end->count;
	finding->owner = end->owner;
	finding->at = end->at;
	finding_figure(finding,
		       end->reason == TCPDWELL_REASON_RESET_SENT ? "resets_sent" :
								   "resets_received",
		       end->count, FIGURE_COUNT, true);
	finding_figure(finding, "of_ends", percent(end->count, all), FIGURE_PERCENT, true);
	finding_why(finding, "%s", why_reset(finder, end));
	show_ends(finding);
}

static void found_died(struct finder *finder, const struct fact_end *end)
{
	struct finding *finding = finder_add(finder, FINDING_KEEPALIVE_DIED, FINDING_NOTE);

	if (!finding)
		return;
	finding->count = end->count;
	finding->owner = end->owner;
	finding->at = end->at;
	finding->err = end->err;
	finding_figure(finding, "died", end->count, FIGURE_COUNT, true);
	finding_setting(finding, FACT_KEEPALIVE_TIME);
	finding_setting(finding, FACT_KEEPALIVE_INTVL);
	finding_setting(finding, FACT_KEEPALIVE_PROBES);
	finding_why(finding, "%s",
		    end->reason == TCPDWELL_REASON_USER_TIMEOUT ?
			    "Nothing came for as long as TCP_USER_TIMEOUT allows." :
			    "Keep-alive probes had no answer: the peers or the path to them "
			    "are gone.");
	show_ends(finding);
}

void find_ends(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];
		uint64_t all;

		if (end->from == TCPDWELL_SYN_SENT)
			continue;
		if ((end->reason == TCPDWELL_REASON_KEEPALIVE_TIMEOUT ||
		     end->reason == TCPDWELL_REASON_USER_TIMEOUT) &&
		    end->count >= DIED)
			found_died(finder, end);
		if (end->reason != TCPDWELL_REASON_RESET_SENT &&
		    end->reason != TCPDWELL_REASON_RESET_RECEIVED)
			continue;
		all = ends_of_owner(finder, &end->owner);
		if (end->count >= RESETS && percent(end->count, all) >= RESETS_PERCENT)
			found_resets(finder, end, all);
	}
}

/* ---- The host ---- */

static void find_overflow(struct finder *finder, const struct fact_netns *netns)
{
	struct finding *finding;

	if (!netns->grew[FACT_TIMEWAIT_OVERFLOW])
		return;
	finding = finder_add(finder, FINDING_TIMEWAIT_OVERFLOW, FINDING_WARNING);
	if (!finding)
		return;
	finding->count = netns->grew[FACT_TIMEWAIT_OVERFLOW];
	finding->at.netns = netns->inode;
	finding_figure(finding, "closed_without", finding->count, FIGURE_COUNT, true);
	finding_setting(finding, FACT_MAX_TW_BUCKETS);
	finding_why(finding,
		    "As many timewait sockets exist as there may be: connections are closed "
		    "without one, and late segments may hit the next connection.");
	finding_more(finding, "tcpdwell timewait");
}

/* The kernel counts orphans of the whole host, so one namespace tells. */
static void find_orphans(struct finder *finder, const struct fact_netns *netns)
{
	uint64_t max = netns->settings[FACT_MAX_ORPHANS];
	struct finding *finding;

	if (max == FACT_UNKNOWN || !max || percent(netns->orphans, max) < SHARE_PERCENT)
		return;
	finding = finder_add(finder, FINDING_ORPHANS,
			     netns->orphans >= max ? FINDING_CRITICAL : FINDING_WARNING);
	if (!finding)
		return;
	finding->count = netns->orphans;
	finding_figure(finding, "orphans", netns->orphans, FIGURE_COUNT, false);
	finding_figure(finding, "used", percent(netns->orphans, max), FIGURE_PERCENT, false);
	finding_setting(finding, FACT_MAX_ORPHANS);
	finding_setting(finding, FACT_ORPHAN_RETRIES);
	finding_why(finding, "Connections that were closed here wait for peers that do not answer; "
			     "beyond the limit the kernel resets them.");
	finding_more(finding, "tcpdwell snapshot --sockets "
			      "-s FIN_WAIT1,FIN_WAIT2,CLOSING,LAST_ACK");
}

static void find_memory(struct finder *finder)
{
	const struct facts *facts = finder->facts;
	uint64_t aborts = 0, pressures = 0;
	struct finding *finding;

	for (size_t i = 0; i < facts->netns_count; i++) {
		aborts += facts->namespaces[i].grew[FACT_ABORT_ON_MEMORY];
		pressures += facts->namespaces[i].grew[FACT_MEMORY_PRESSURES];
	}
	if (!aborts && !pressures &&
	    (!facts->memory.pressure_pages || facts->memory.pages < facts->memory.pressure_pages))
		return;
	finding = finder_add(finder, FINDING_MEMORY, FINDING_CRITICAL);
	if (!finding)
		return;
	finding->count = aborts + pressures + 1;
	finding_figure(finding, "pages", facts->memory.pages, FIGURE_COUNT, false);
	finding_figure(finding, "pages_of_pressure", facts->memory.pressure_pages, FIGURE_COUNT,
		       false);
	finding_figure(finding, "pressures", pressures, FIGURE_COUNT, true);
	finding_figure(finding, "aborted", aborts, FIGURE_COUNT, true);
	finding_why(finding, "%s",
		    aborts ? "Orphans were reset for the want of memory, or there were too "
			     "many." :
			     "Windows shrink, and data may be dropped (net.ipv4.tcp_mem).");
	finding_more(finding, "tcpdwell snapshot --sockets");
}

static void find_descriptors(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->process_count; i++) {
		const struct fact_process *process = &finder->facts->processes[i];
		uint64_t used = percent(process->descriptors, process->limit);
		struct finding *finding;

		if (used < SHARE_PERCENT || !process->sockets)
			continue;
		finding = finder_add(finder, FINDING_DESCRIPTORS,
				     used >= 99 ? FINDING_CRITICAL : FINDING_WARNING);
		if (!finding)
			return;
		finding->count = used;
		finding->owner = process->owner;
		finding_figure(finding, "descriptors", process->descriptors, FIGURE_COUNT, false);
		finding_figure(finding, "limit", process->limit, FIGURE_COUNT, false);
		finding_figure(finding, "used", used, FIGURE_PERCENT, false);
		finding_figure(finding, "sockets", process->sockets, FIGURE_COUNT, false);
		finding_why(finding,
			    "accept(), socket() and open() fail with EMFILE when none is left.");
		finding_more(finding, "tcpdwell snapshot --sockets -p %u", process->owner.pid);
	}
}

void find_host(struct finder *finder)
{
	const struct facts *facts = finder->facts;

	for (size_t i = 0; i < facts->netns_count; i++)
		find_overflow(finder, &facts->namespaces[i]);
	for (size_t i = 0, before = finder->count; i < facts->netns_count; i++)
		if (finder->count == before || !i)
			find_orphans(finder, &facts->namespaces[i]);
	find_memory(finder);
	find_descriptors(finder);
}
