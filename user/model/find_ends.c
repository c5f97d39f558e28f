// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about how connections end.
 */
#include <string.h>

#include "model/finders.h"

#define DIED 3

#define RESETS		  5
#define RESETS_PERCENT	  5
#define RESETS_MANY_SHARE 50

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
	if (end->from == TCPDWELL_FIN_WAIT2)
		return "Data comes after the process has closed: the two sides do not agree who "
		       "closes, and when.";
	if (netns && netns->grew[FACT_ABORT_ON_CLOSE] >= end->count / 2 + 1)
		return "The process closes with data that it has not read.";
	if (netns && netns->grew[FACT_ABORT_ON_DATA] >= end->count / 2 + 1)
		return "The process closes with SO_LINGER of 0.";
	return "This side sends the RST.";
}

/* Names a command that shows the ends: those of one process if it is known, else all. */
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
	if (finder_percent(end->count, all) >= RESETS_MANY_SHARE)
		finding->severity = FINDING_WARNING;
	finding->count = end->count;
	finding->owner = end->owner;
	finding->at = end->at;
	finding_figure(finding,
		       end->reason == TCPDWELL_REASON_RESET_SENT ? "resets_sent" :
								   "resets_received",
		       end->count, FIGURE_COUNT, true);
	finding_figure(finding, "of_ends", finder_percent(end->count, all), FIGURE_PERCENT, false);
	finding_why(finding, "%s", why_reset(finder, end));
	show_ends(finding);
}

/* Adds the finding of connections of a process that the kernel ended; NULL if there is no room. */
static struct finding *add_died(struct finder *finder, const struct fact_end *end,
				enum finding_id id, enum finding_severity severity)
{
	struct finding *finding = finder_add(finder, id, severity);

	if (!finding)
		return NULL;
	finding->count = end->count;
	finding->owner = end->owner;
	finding->at = end->at;
	finding->err = end->err;
	finding_figure(finding, "died", end->count, FIGURE_COUNT, true);
	show_ends(finding);
	return finding;
}

static void found_died(struct finder *finder, const struct fact_end *end)
{
	struct finding *finding = add_died(finder, end, FINDING_KEEPALIVE_DIED, FINDING_NOTE);

	if (!finding)
		return;
	if (end->reason == TCPDWELL_REASON_USER_TIMEOUT) {
		finding_why(finding, "Nothing came for as long as TCP_USER_TIMEOUT allows: the "
				     "peers or the path to them are gone.");
		finding->helps = "A TCP_USER_TIMEOUT that is longer than interruptions of the path "
				 "are.";
		return;
	}
	finding_setting(finding, FACT_KEEPALIVE_TIME);
	finding_setting(finding, FACT_KEEPALIVE_INTVL);
	finding_setting(finding, FACT_KEEPALIVE_PROBES);
	finding_why(finding, "Keep-alive probes had no answer: the peers or the path to them "
			     "are gone.");
}

/* The kernel ended connections of a process because their data was not acknowledged. */
static void found_unacknowledged(struct finder *finder, const struct fact_end *end)
{
	struct finding *finding = add_died(finder, end, FINDING_HALF_OPEN, FINDING_WARNING);

	if (!finding)
		return;
	finding_setting(finding, FACT_RETRIES2);
	finding_why(finding,
		    "What was sent was not acknowledged until the last retransmission: the "
		    "peers' hosts or the path to them are gone.");
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
		if (end->reason == TCPDWELL_REASON_TIMEOUT && end->from == TCPDWELL_ESTABLISHED &&
		    end->count >= DIED)
			found_unacknowledged(finder, end);
		if (end->reason != TCPDWELL_REASON_RESET_SENT &&
		    end->reason != TCPDWELL_REASON_RESET_RECEIVED)
			continue;
		all = ends_of_owner(finder, &end->owner);
		if (end->count >= RESETS && finder_percent(end->count, all) >= RESETS_PERCENT)
			found_resets(finder, end, all);
	}
}
