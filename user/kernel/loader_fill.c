// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include <bpf/libbpf.h>

#include "kernel/loader_inside.h"
#include "kernel/programs.h"
#include "tcpdwell.skel.h"

static int follow(struct loader *loader, uint32_t pid)
{
	uint8_t one = 1;

	return bpf_map__update_elem(loader->skel->maps.pids, &pid, sizeof(pid), &one, sizeof(one),
				    BPF_ANY);
}

int loader_follow(struct loader *loader, uint32_t pid)
{
	loader->followed = pid;
	return follow(loader, pid);
}

static int fill_prefixes(struct loader *loader, const struct filters *filters)
{
	int err = 0;

	for (unsigned int i = 0; i < filters->addrs.count && !err; i++) {
		const struct cidr *cidr = &filters->addrs.cidrs[i];
		struct tcpdwell_prefix key = { .length = cidr->prefix };
		uint8_t family = cidr->family;

		memcpy(key.addr, cidr->addr, sizeof(key.addr));
		err = bpf_map__update_elem(loader->skel->maps.prefixes, &key, sizeof(key), &family,
					   sizeof(family), BPF_ANY);
	}
	return err;
}

/* Has programs add to the even map of sums. loader_stat_turn() switches to the other one. */
static int fill_stats(const struct loader *loader)
{
	int even = bpf_map__fd(loader->skel->maps.stat_even);
	uint32_t zero = 0;

	return bpf_map__update_elem(loader->skel->maps.stats, &zero, sizeof(zero), &even,
				    sizeof(even), BPF_ANY);
}

/* Sets the program that the two programs at the tracepoint enter by tail call. */
static int fill_transitions(const struct loader *loader)
{
	int fd = bpf_program__fd(programs_told(loader->skel));
	uint32_t told = 0;

	return bpf_map__update_elem(loader->skel->maps.transitions, &told, sizeof(told), &fd,
				    sizeof(fd), BPF_ANY);
}

int loader_fill_maps(struct loader *loader, const char **refused)
{
	const struct filters *filters = &loader->capture.filters;
	int err = 0;

	*refused = "transitions";
	if (loader->rodata->cfg_nested)
		err = fill_transitions(loader);
	if (err)
		return err;
	*refused = "stats";
	if (loader->rodata->cfg_stat)
		err = fill_stats(loader);
	if (err)
		return err;
	*refused = "pids";
	for (unsigned int i = 0; i < filters->pids.count && !err; i++)
		err = follow(loader, filters->pids.ids[i]);
	if (loader->followed && !err)
		err = follow(loader, loader->followed);
	if (err)
		return err;
	*refused = "prefixes";
	return loader->rodata->cfg_filter_addr ? fill_prefixes(loader, filters) : 0;
}
