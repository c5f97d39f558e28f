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

/* The kernel counts the orphans of the whole host, so one namespace is enough. */
static void find_orphans(struct finder *finder, const struct fact_netns *netns)
{
	uint64_t max = netns->settings[FACT_MAX_ORPHANS];
	struct finding *finding;

	if (max == FACT_UNKNOWN || !max || netns->orphans == FACT_UNKNOWN ||
	    finder_percent(netns->orphans, max) < FINDER_SHARE_PERCENT)
		return;
	finding = finder_add(finder, FINDING_ORPHANS,
			     netns->orphans >= max ? FINDING_CRITICAL : FINDING_WARNING);
	if (!finding)
		return;
	finding->count = netns->orphans;
	finding_figure(finding, "orphans", netns->orphans, FIGURE_COUNT, false);
	finding_figure(finding, "used", finder_percent(netns->orphans, max), FIGURE_PERCENT, false);
	finding_setting(finding, FACT_MAX_ORPHANS);
	finding_setting(finding, FACT_ORPHAN_RETRIES);
	finding_why(finding, "Connections that were closed here wait for peers that do not answer; "
			     "beyond the limit the kernel resets them.");
	finding_more(finding, "tcpdwell snapshot --sockets "
			      "-s FIN_WAIT1,FIN_WAIT2,CLOSING,LAST_ACK");
}

static bool is_pressed(const struct fact_memory *memory)
{
	return memory->pages != FACT_UNKNOWN && memory->pressure_pages != FACT_UNKNOWN &&
	       memory->pages >= memory->pressure_pages;
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
	if (!aborts && !pressures && !is_pressed(&facts->memory))
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
		    aborts ? "Orphans were reset for the want of memory, or there were too "
			     "many." :
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
	for (size_t i = 0, before = finder->count; i < facts->netns_count; i++)
		if (finder->count == before || !i)
			find_orphans(finder, &facts->namespaces[i]);
	find_memory(finder);
	find_descriptors(finder);
}
