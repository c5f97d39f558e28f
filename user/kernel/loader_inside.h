/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The insides of a loader, for the files that make it up. loader.c has its life, from the checks at
 * the start to the detach. loader_load.c opens the object and tries once to load it.
 * loader_without.c tries again without what the kernel refuses. loader_fill.c fills the maps that
 * programs ask. loader_snapshot.c has the sockets looked at that exist. loader_floods.c and
 * loader_read.c read what programs leave in maps. loader_account.c counts. Everybody else sees
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

/* More files than a run opens at the most. */
#define LOADER_FILES 256

/* What the kernel refused, and its errno. */
struct refusal {
	const char *name; /* a program or a map; NULL if it is unknown which */
	int err;
	bool attaching; /* a program that was loaded */
};

/* ---- One attempt ---- */

/* Opens the object. Returns 0, or -1 with errno set. */
int loader_open_programs(struct loader *loader);

/* Undoes all that was loaded. */
void loader_close_programs(struct loader *loader);

/* Finds out what the kernel has, and reads its types. Returns 0, or -1 with @failure filled. */
int loader_ask_kernel(struct loader *loader, struct failure *failure);

/* Sets up the object for an attempt. Returns 0, 1 with @refusal filled, or -1 with @failure. */
int loader_prepare(struct loader *loader, struct refusal *refusal, struct failure *failure);

/*
 * Does all that the kernel may refuse before anything is attached. Returns 0, or -1 with @refusal
 * filled.
 */
int loader_load(struct loader *loader, struct refusal *refusal);

/* ---- All attempts. Each returns 0, or -1 with @failure filled ---- */

/* Fails if the kernel refuses a feature that the user asked for by name. */
int loader_check_asked_for(const struct loader *loader, struct failure *failure);

/* Loads all that the kernel takes. The object must be open. */
int loader_load_what_can_be(struct loader *loader, struct failure *failure);

/* Attaches all that is loaded. What the kernel refuses is loaded and attached again without it. */
int loader_attach_what_can_be(struct loader *loader, struct failure *failure);

/* Warns of what the user does not get. */
void loader_warn_missing(const struct loader *loader);

/* ---- The rest ---- */

/* Fills the maps that programs ask. Returns 0, or -errno with @refused, the name of the map. */
int loader_fill_maps(struct loader *loader, const char **refused);

/* Maps the counters. Where the kernel refuses that, system calls read them. */
void loader_map_counters(struct loader *loader);

#endif /* TCPDWELL_LOADER_INSIDE_H */
