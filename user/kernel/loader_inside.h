/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a loader is made of, for the files that it is made of: loader.c loads, loader_fill.c fills
 * the maps that programs are asked by, loader_snapshot.c has the sockets that exist looked at,
 * loader_floods.c and loader_read.c read what the programs leave in maps, loader_account.c counts.
 * Everybody else sees loader.h alone.
 */
#ifndef TCPDWELL_LOADER_INSIDE_H
#define TCPDWELL_LOADER_INSIDE_H

#include "kernel/capability.h"
#include "kernel/capture.h"
#include "kernel/feature.h"
#include "kernel/loader.h"
#include "base/overdue.h"

struct kernel_types;
struct load_aside;
struct programs;
struct rings;
struct sweep;
struct tables;
struct tcpdwell_bpf;
struct tcpdwell_bpf__rodata;

struct loader {
	uint64_t wanted; /* features: a mask */
	bool probes;	 /* what is not there is no one's loss */
	struct capture capture;
	struct load_aside *aside;
	struct kernel_types *kernel; /* as long as programs may be loaded */
	int core_btf;		     /* what relocations are made against, -1: not open */
	struct tables *tables;
	struct rings *rings; /* NULL: there is one */
	struct tcpdwell_bpf *skel;
	struct programs *programs;
	struct sweep *sweep; /* from when the programs are attached until they are not */
	const struct notice *notice;
	struct steward *steward; /* opens iterators, NULL: the process does itself */
	struct capability capability;
	struct features features;
	struct tcpdwell_bpf__rodata *rodata; /* the knobs, also where the kernel maps no array */
	void *own_bss;			    /* mapped here rather than by libbpf, NULL: it is not */
	bool make_bss;			    /* it must be */
	struct tcpdwell_counters *counters; /* one for each possible CPU, mapped, NULL: not */
	size_t counters_bytes;
	int cpus;
	uint32_t followed; /* a process, 0: none */
	bool flush_failed; /* which was said */
	struct overdue overdue;
	unsigned int stat_turns; /* odd: programs add to the odd map of stat */
};

/* Returns 0, or -errno with @refused, the name of the map. */
int loader_fill_maps(struct loader *loader, const char **refused);

/* Where the kernel does not map them, they are read by system calls. */
void loader_map_counters(struct loader *loader);

#endif /* TCPDWELL_LOADER_INSIDE_H */
