// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about how connections end.
 */
#include <string.h>

#include "model/finders.h"

/* Returns how many connections ended of a process, or of all processes of its name. */
static uint64_t ends_of_owner(const struct finder *finder, const struct fact_end *like,
			      bool of_name)
{
	const struct fact_owner *owner = &like->owner;
	uint64_t count = 0;

	for (size_t i = 0; i < finder->facts->end_count; i++) {
		const struct fact_end *end = &finder->facts->ends[i];

		if (end->from != TCPDWELL_SYN_SENT &&
		    !memcmp(end->owner.comm, owner->comm, sizeof(owner->comm)) &&
		    (of_name ? end->at.netns == like->at.netns : end->owner.pid == owner->pid))
			count += end->count;
	}
	return count;
}

/* Says why they are reset, and what helps, as far as it is known. */
static void explain_resets(const struct finder *finder, struct finding *finding,
			   const struct fact_end *end)
{
	const struct fact_netns *netns = finder_netns(finder, end->at.netns);
	uint64_t most = finding->count / 2 + 1;

	if (end->reason == TCPDWELL_REASON_RESET_RECEIVED) {
		finding_why(finding, "The peer sends the RST: it aborts, has crashed, or does not "
				     "know the connection any more.");
		finding->helps = "`tcpdwell diagnose` on the peer's host says why it sends them.";
	} else if (end->from == TCPDWELL_FIN_WAIT2) {
		finding_why(finding, "Data comes after the process has closed: the two sides do "
				     "not agree who closes, and when.");
		finding->helps = "shutdown() first, and close() when the peer's FIN has come.";
	} else if (netns && netns->grew[FACT_ABORT_ON_CLOSE] >= most) {
		finding_why(finding,
			    "The process closes, or ends, with data that it has not read.");
		finding->helps = "Read all that comes before close(), or shutdown() first and read "
				 "until the peer closes.";
	} else if (netns && netns->grew[FACT_ABORT_ON_DATA] >= most) {
		finding_why(finding, "The process closes with SO_LINGER of 0.");
		finding->helps = "If that is not meant: leave SO_LINGER alone, so that close() "
				 "sends a FIN.";
	} else {
		finding_why(finding, "This side sends the RST.");
	}
}

/* Names a command that shows the ends: those of one process if it is known, else of a service. */
static void show_ends(struct finding *finding)
{
	if (finding->owner.pid && !finding->processes)
		finding_more(finding, "tcpdwell --to CLOSE -p %u", finding->owner.pid);
	else if (finding->at.lport || finding->at.rport)
		finding_more(finding, "tcpdwell --to CLOSE --port %u",
			     finding->at.lport ?: finding->at.rport);
	else
		finding_more(finding, "tcpdwell --to CLOSE");
}

/* Fills in what all ends of a group have in common. */
static void describe(struct finding *finding, const struct fact_end *const *group, size_t count)
{
	finding->count = finder_ends_count(group, count);
	finding_set_owner_of_ends(finding, group, count);
	finding->at = group[0]->at;
	show_ends(finding);
}

/*
 * Returns how many of a group are checks of a load balancer: a client resets what it has opened, at
 * once and seldom. Nothing is lost by that.
 */
static uint64_t count_checks(const struct fact_end *const *group, size_t count)
{
	uint64_t checks = 0, first_ns = UINT64_MAX, last_ns = 0;

	for (size_t i = 0; i < count; i++) {
		const struct fact_end *end = group[i];

		if (!end->brief)
			continue;
		checks += end->count;
		first_ns = end->first_ns < first_ns ? end->first_ns : first_ns;
		last_ns = end->last_ns > last_ns ? end->last_ns : last_ns;
	}
	return finder_checks(checks, last_ns - first_ns);
}

static void found_resets(struct finder *finder, const struct fact_end *const *group, size_t count)
{
	uint64_t resets = finder_ends_count(group, count) - count_checks(group, count), share;
	bool several = group[0]->owner.pid != group[count - 1]->owner.pid;
	struct finding *finding;

	share = finder_percent(resets, ends_of_owner(finder, group[0], several));
	if (resets < FINDER_RESETS || share < FINDER_RESETS_PERCENT)
		return;
	finding = finder_add(finder, FINDING_RESETS,
			     share >= FINDER_RESETS_MANY_SHARE ? FINDING_WARNING : FINDING_NOTE);
	if (!finding)
		return;
	describe(finding, group, count);
	finding->count = resets;
	finding_figure(finding,
		       group[0]->reason == TCPDWELL_REASON_RESET_SENT ? "resets_sent" :
									"resets_received",
		       resets, FIGURE_COUNT, true);
	finding_figure(finding, "of_ends", share, FIGURE_PERCENT, false);
	finding_processes(finding);
	explain_resets(finder, finding, group[0]);
}

/* Adds the finding of connections that the kernel ended; NULL if there is no room. */
static struct finding *add_died(struct finder *finder, const struct fact_end *const *group,
				size_t count, enum finding_id id, enum finding_severity severity)
{
	struct finding *finding = finder_add(finder, id, severity);

	if (!finding)
		return NULL;
	describe(finding, group, count);
	finding->err = group[0]->err;
	finding_figure(finding, "died", finding->count, FIGURE_COUNT, true);
	finding_processes(finding);
	return finding;
}

/* Returns true if @socket has keep-alive, and is of the service and program of @finding. */
static bool is_sibling(const struct finding *finding, const struct fact_socket *socket)
{
	const struct fact_address *at = &socket->at;

	return socket->part == FACT_WHOLE && socket->timers.keepalive &&
	       at->netns == finding->at.netns &&
	       (finding->at.rport ? socket->client && at->rport == finding->at.rport :
				    !socket->client && at->lport == finding->at.lport) &&
	       !memcmp(socket->owner.comm, finding->owner.comm, sizeof(socket->owner.comm));
}

static bool has_own_keepalive(const struct finder *finder, const struct fact_socket *socket)
{
	const struct fact_netns *netns = finder_netns(finder, socket->at.netns);

	return netns &&
	       (socket->timers.keepalive_time_s != netns->settings[FACT_KEEPALIVE_TIME] ||
		socket->timers.keepalive_intvl_s != netns->settings[FACT_KEEPALIVE_INTVL] ||
		socket->timers.keepalive_probes != netns->settings[FACT_KEEPALIVE_PROBES]);
}

/*
 * Says which settings of keep-alive hold. A socket may have its own, and those of one that has
 * ended are not known any more; others of its program are likely to have the same.
 */
static void tell_keepalive(const struct finder *finder, struct finding *finding)
{
	static const char gone[] = "Keep-alive probes had no answer: the peers or the path to them "
				   "are gone.";
	const struct fact_socket *sibling = NULL;

	for (size_t i = 0; i < finder->facts->socket_count && !sibling; i++)
		if (is_sibling(finding, &finder->facts->sockets[i]))
			sibling = &finder->facts->sockets[i];
	if (sibling && has_own_keepalive(finder, sibling)) {
		finding_why(
			finding,
			"%s Others of that program have settings of their own: TCP_KEEPIDLE %u, "
			"TCP_KEEPINTVL %u, TCP_KEEPCNT %u.",
			gone, sibling->timers.keepalive_time_s, sibling->timers.keepalive_intvl_s,
			sibling->timers.keepalive_probes);
		return;
	}
	finding_setting(finding, FACT_KEEPALIVE_TIME);
	finding_setting(finding, FACT_KEEPALIVE_INTVL);
	finding_setting(finding, FACT_KEEPALIVE_PROBES);
	finding_why(finding, "%s%s", gone,
		    sibling ? "" :
			      " Where the program sets TCP_KEEPIDLE, TCP_KEEPINTVL or TCP_KEEPCNT, "
			      "that holds in place of the settings below.");
}

static void found_died(struct finder *finder, const struct fact_end *const *group, size_t count)
{
	struct finding *finding = add_died(finder, group, count, FINDING_KEEPALIVE_DIED,
					   FINDING_NOTE);

	if (!finding)
		return;
	if (group[0]->reason == TCPDWELL_REASON_USER_TIMEOUT) {
		finding_why(finding, "Nothing came for as long as TCP_USER_TIMEOUT allows: the "
				     "peers or the path to them are gone.");
		finding->helps = "A TCP_USER_TIMEOUT that is longer than interruptions of the path "
				 "are.";
		return;
	}
	tell_keepalive(finder, finding);
}

/* The kernel ended connections because their data was not acknowledged. */
static void found_unacknowledged(struct finder *finder, const struct fact_end *const *group,
				 size_t count)
{
	struct finding *finding = add_died(finder, group, count, FINDING_HALF_OPEN,
					   FINDING_WARNING);

	if (!finding)
		return;
	finding_setting(finding, FACT_RETRIES2);
	finding_why(finding,
		    "What was sent was not acknowledged until the last retransmission: the "
		    "peers' hosts or the path to them are gone.");
}

/* ---- Which ends ---- */

static bool is_silent(const struct finder *finder, const struct fact_end *end)
{
	(void)finder;
	return end->from != TCPDWELL_SYN_SENT &&
	       (end->reason == TCPDWELL_REASON_KEEPALIVE_TIMEOUT ||
		end->reason == TCPDWELL_REASON_USER_TIMEOUT);
}

static bool is_unacknowledged(const struct finder *finder, const struct fact_end *end)
{
	(void)finder;
	return end->reason == TCPDWELL_REASON_TIMEOUT && end->from == TCPDWELL_ESTABLISHED;
}

static bool is_reset(const struct finder *finder, const struct fact_end *end)
{
	(void)finder;
	return end->from != TCPDWELL_SYN_SENT && (end->reason == TCPDWELL_REASON_RESET_SENT ||
						  end->reason == TCPDWELL_REASON_RESET_RECEIVED);
}

static int by_service_and_kind(const struct fact_end *a, const struct fact_end *b)
{
	return compare(a->at.netns, b->at.netns)	   ?:
		       compare(a->at.lport, b->at.lport)   ?:
		       compare(a->at.rport, b->at.rport)   ?:
		       compare(a->at.family, b->at.family) ?:
		       compare(a->from, b->from)	   ?:
		       compare(a->reason, b->reason)	   ?:
							     compare(a->err, b->err);
}

void find_ends(struct finder *finder)
{
	finder_ends(finder, is_silent, by_service_and_kind, FINDER_DIED, found_died);
	finder_ends(finder, is_unacknowledged, by_service_and_kind, FINDER_DIED,
		    found_unacknowledged);
	finder_ends(finder, is_reset, by_service_and_kind, FINDER_RESETS, found_resets);
}
