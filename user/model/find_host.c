// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Findings about what runs out: timewait sockets, orphans, memory, descriptors.
 */
#include "model/finders.h"

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

static bool is_pressed(const struct fact_memory *memory)
{
	return memory->pages != FACT_UNKNOWN && memory->pressure_pages != FACT_UNKNOWN &&
	       memory->pages >= memory->pressure_pages;
}

static uint64_t sum_grown(const struct facts *facts, enum fact_counter counter)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < facts->netns_count; i++)
		sum += facts->namespaces[i].grew[counter];
	return sum;
}

static bool is_short_of_memory(const struct facts *facts)
{
	return sum_grown(facts, FACT_MEMORY_PRESSURES) || is_pressed(&facts->memory);
}

static void describe_orphans(struct finding *finding, const struct fact_netns *netns,
			     uint64_t aborted)
{
	finding->count = netns->orphans + aborted;
	finding_figure(finding, "orphans", netns->orphans, FIGURE_COUNT, false);
	finding_figure(finding, "used",
		       finder_percent(netns->orphans, netns->settings[FACT_MAX_ORPHANS]),
		       FIGURE_PERCENT, false);
	if (aborted)
		finding_figure(finding, "aborted", aborted, FIGURE_COUNT, true);
	finding_setting(finding, FACT_MAX_ORPHANS);
	finding_setting(finding, FACT_ORPHAN_RETRIES);
	finding_why(finding,
		    "Connections that were closed here wait for peers that do not answer; "
		    "beyond the limit the kernel resets them.%s",
		    aborted ? " It does so at half of the limit with those that sent nothing for 4 "
			      "minutes or got an ICMP error." :
			      "");
	finding_more(finding, "tcpdwell snapshot --sockets "
			      "-s FIN_WAIT1,FIN_WAIT2,CLOSING,LAST_ACK");
}

/*
 * Finds too many orphans, of which the kernel has one count for the whole host. It uses one counter
 * for those that it reset because there were too many and for those that it reset for the want of
 * memory.
 */
static void find_orphans(struct finder *finder)
{
	const struct facts *facts = finder->facts;
	uint64_t aborted = is_short_of_memory(facts) ? 0 : sum_grown(facts, FACT_ABORT_ON_MEMORY);

	for (size_t i = 0; i < facts->netns_count; i++) {
		const struct fact_netns *netns = &facts->namespaces[i];
		uint64_t max = netns->settings[FACT_MAX_ORPHANS];
		struct finding *finding;

		if (max == FACT_UNKNOWN || !max || netns->orphans == FACT_UNKNOWN ||
		    (finder_percent(netns->orphans, max) < FINDER_SHARE_PERCENT && !aborted))
			continue;
		finding = finder_add(finder, FINDING_ORPHANS,
				     netns->orphans >= max || aborted ? FINDING_CRITICAL :
									FINDING_WARNING);
		if (finding)
			describe_orphans(finding, netns, aborted);
		return;
	}
}

static void find_memory(struct finder *finder)
{
	const struct facts *facts = finder->facts;
	uint64_t aborts = sum_grown(facts, FACT_ABORT_ON_MEMORY);
	uint64_t pressures = sum_grown(facts, FACT_MEMORY_PRESSURES);
	struct finding *finding;

	if (!is_short_of_memory(facts))
		return;
	finding = finder_add(finder, FINDING_MEMORY, FINDING_CRITICAL);
	if (!finding)
		return;
	finding->count = aborts + pressures + 1;
	if (facts->memory.pages != FACT_UNKNOWN)
		finding_figure(finding, "pages", facts->memory.pages, FIGURE_COUNT, false);
	if (facts->memory.pressure_pages != FACT_UNKNOWN)
		finding_figure(finding, "pages_of_pressure", facts->memory.pressure_pages,
			       FIGURE_COUNT, false);
	finding_figure(finding, "pressures", pressures, FIGURE_COUNT, true);
	finding_figure(finding, "aborted", aborts, FIGURE_COUNT, true);
	finding_why(finding, "%s",
		    aborts ? "Orphans were reset for the want of memory." :
			     "Windows shrink, and data may be dropped (net.ipv4.tcp_mem).");
	finding_more(finding, "tcpdwell snapshot --sockets");
}

static void find_descriptors(struct finder *finder)
{
	for (size_t i = 0; i < finder->facts->process_count; i++) {
		const struct fact_process *process = &finder->facts->processes[i];
		uint64_t used = finder_percent(process->descriptors, process->limit);
		struct finding *finding;

		if (used < FINDER_SHARE_PERCENT || !process->sockets)
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
	find_orphans(finder);
	find_memory(finder);
	find_descriptors(finder);
}
