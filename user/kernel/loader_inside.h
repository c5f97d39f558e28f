/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The insides of a loader, for the files that make it up. loader.c loads. loader_fill.c fills the
 * maps that programs ask. loader_snapshot.c has the sockets looked at that exist. loader_floods.c
 * and loader_read.c read what programs leave in maps. loader_account.c counts. Everybody else sees
 * loader.h alone.
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
	uint64_t wanted; /* a mask of enum feature_id */
	bool probes;	 /* a probe: a feature that is missing is no loss */
	struct capture capture;
	struct load_aside *aside;
	struct kernel_types *kernel; /* kept as long as programs may be loaded */
	int core_btf;		     /* the types that relocations are made against; -1: not open */
	struct tables *tables;
	struct rings *rings; /* NULL if there is one ring */
	struct tcpdwell_bpf *skel;
	struct programs *programs;
	struct sweep *sweep; /* runs while programs are attached */
	const struct notice *notice;
	struct steward *steward; /* opens iterators; NULL: the process does it itself */
	struct capability capability;
	struct features features;
	struct tcpdwell_bpf__rodata *rodata; /* the knobs, also where the kernel maps no array */
	void *own_bss;			     /* mapped here, not by libbpf; NULL: not so */
	bool make_bss;			     /* own_bss must be made */
	struct tcpdwell_counters *counters;  /* mapped, one for each possible CPU; NULL: not */
	size_t counters_bytes;
	int cpus;
	uint32_t followed; /* a process ID; 0: none */
	bool flush_failed; /* a failure was reported, and is not reported again */
	struct overdue overdue;
	unsigned int stat_turns; /* odd: programs add to the odd map of stat */
};

/* Fills the maps that programs ask. Returns 0, or -errno with @refused, the name of the map. */
int loader_fill_maps(struct loader *loader, const char **refused);

/* Maps the counters. Where the kernel refuses that, system calls read them. */
void loader_map_counters(struct loader *loader);

#endif /* TCPDWELL_LOADER_INSIDE_H */
