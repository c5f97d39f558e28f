// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/loader_inside.h"
#include "kernel/programs.h"
#include "tcpdwell.skel.h"

void loader_map_counters(struct loader *loader)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *p;

	if (!loader->rodata->cfg_counters)
		return;
	loader->counters_bytes = (loader->cpus * sizeof(*loader->counters) + page - 1) & -page;
	p = mmap(NULL, loader->counters_bytes, PROT_READ, MAP_SHARED,
		 bpf_map__fd(loader->skel->maps.counters), 0);
	loader->counters = p == MAP_FAILED ? NULL : p;
}

/*
 * How often a set of counters is read again. A program runs for less than a microsecond, so a set
 * that is out of balance for longer stays out of balance.
 */
#define READS_MAX 100000

/* Returns whether each row that was seen is in the counter of what became of it. */
static bool counters_balance(const struct tcpdwell_counters *c)
{
	return c->seen == c->emitted + c->undated + c->filtered + c->held + c->folded +
				  c->lost_ring + c->lost_map;
}

/* Reads the counters of one CPU, again and again until no program was running in between. */
static struct tcpdwell_counters counters_read(const volatile struct tcpdwell_counters *live)
{
	struct tcpdwell_counters c = {};
	int reads = 0;

	do {
		c.seen = live->seen;
		c.emitted = live->emitted;
		c.undated = live->undated;
		c.filtered = live->filtered;
		c.held = live->held;
		c.folded = live->folded;
		c.lost_ring = live->lost_ring;
		c.lost_map = live->lost_map;
		c.untracked = live->untracked;
	} while ((!counters_balance(&c) || c.seen != live->seen) && ++reads < READS_MAX);
	return c;
}

/* Returns the counters of one CPU, if possible at a moment when they balance. */
static struct tcpdwell_counters counters_of(const struct loader *loader, int cpu)
{
	struct tcpdwell_counters c = {};
	uint32_t key = cpu;

	if (!loader->rodata->cfg_counters) /* all CPUs share one set */
		return cpu ? c : counters_read(&loader->skel->bss->counters_shared);
	if (loader->counters)
		return counters_read(&loader->counters[cpu]);
	bpf_map__lookup_elem(loader->skel->maps.counters, &key, sizeof(key), &c, sizeof(c), 0);
	return c;
}

void loader_counters(const struct loader *loader, struct tcpdwell_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int cpu = 0; cpu < loader->cpus; cpu++) {
		struct tcpdwell_counters c = counters_of(loader, cpu);

		sum->seen += c.seen;
		sum->emitted += c.emitted;
		sum->undated += c.undated;
		sum->filtered += c.filtered;
		sum->held += c.held;
		sum->folded += c.folded;
		sum->lost_ring += c.lost_ring;
		sum->lost_map += c.lost_map;
		sum->untracked += c.untracked;
	}
}

uint64_t loader_missed(const struct loader *loader)
{
	uint64_t told = loader->skel->bss->nested_told, gaps = loader->skel->bss->gaps;
	int fd = bpf_program__fd(programs_transition(loader->programs));
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	/*
	 * Most misses that the kernel counts also leave a gap, so the sum would count them twice.
	 */
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.recursion_misses < told + gaps)
		return gaps;
	return info.recursion_misses - told;
}

uint64_t loader_overdue(struct loader *loader)
{
	struct tcpdwell_timers *timers = calloc(loader->cpus, sizeof(*timers));
	uint64_t gone = loader->skel->bss->requests_gone, all = 0;
	uint32_t zero = 0;

	if (!loader->rodata->cfg_reqsk_timer_handler) {
		free(timers);
		return 0;
	}
	if (timers && !bpf_map__lookup_elem(loader->skel->maps.request_timers, &zero, sizeof(zero),
					    timers, loader->cpus * sizeof(*timers), 0))
		all = overdue_count(&loader->overdue, timers, loader->cpus,
				    loader->skel->bss->timer_second);
	free(timers);
	return all > gone ? all - gone : 0;
}
