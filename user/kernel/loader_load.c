// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/ring.h"
#include "base/thread.h"
#include "kernel/core_btf.h"
#include "kernel/culprit.h"
#include "kernel/kernel_types.h"
#include "kernel/knobs.h"
#include "kernel/load_aside.h"
#include "kernel/loader_inside.h"
#include "kernel/map_sizes.h"
#include "kernel/programs.h"
#include "kernel/rings.h"
#include "kernel/sweep.h"
#include "kernel/tables.h"
#include "tcpdwell.skel.h"

/* ---- Opening --------------------------------------------------------------------------------- */

/*
 * Opens the object. Its programs will be relocated against the types that are in the memory file by
 * then.
 */
int loader_open_programs(struct loader *loader)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[sizeof("/proc/self/fd/") + 10];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", loader->core_btf);
	opts.btf_custom_path = path;
	loader->skel = tcpdwell_bpf__open_opts(&opts);
	if (!loader->skel)
		return -1;
	loader->rodata = loader->skel->rodata;
	return 0;
}

/* Undoes all that was loaded. */
void loader_close_programs(struct loader *loader)
{
	sweep_free(loader->sweep);
	loader->sweep = NULL;
	programs_free(loader->programs);
	loader->programs = NULL;
	if (loader->counters)
		munmap(loader->counters, loader->counters_bytes);
	loader->counters = NULL;
	tables_free(loader->tables);
	loader->tables = NULL;
	rings_free(loader->rings);
	loader->rings = NULL;
	if (loader->own_bss)
		munmap(loader->own_bss, sizeof(*loader->skel->bss));
	loader->own_bss = NULL;
	tcpdwell_bpf__destroy(loader->skel);
	loader->skel = NULL;
}

/*
 * Has libbpf read the kernel's types. It reads them for the first program whose attach target is
 * set. Setting the target changes nothing else, because libbpf finds it by itself in any case.
 */
static void *read_types(void *argument)
{
	const struct loader *loader = argument;

	bpf_program__set_attach_target(loader->skel->progs.inet_sock_set_state, 0,
				       TRANSITION_TRACEPOINT);
	return NULL;
}

static int ask_kernel(struct loader *loader, struct failure *failure)
{
	int err;

	loader->kernel = capability_types(failure);
	if (!loader->kernel ||
	    capability_probe(&loader->capability, loader->kernel, loader->capture.backend, failure))
		return -1;
	err = core_btf_write(loader->core_btf, kernel_types_btf(loader->kernel),
			     bpf_object__btf(loader->skel->obj));
	return err ? capability_refused(failure, "to keep its types in a file in memory", -err) : 0;
}

/*
 * Runs both in parallel: each reads the kernel's BTF, which takes 10 ms, and looks for names in it.
 */
int loader_ask_kernel(struct loader *loader, struct failure *failure)
{
	pthread_t thread;
	bool beside = !thread_start(&thread, read_types, loader);
	int err = ask_kernel(loader, failure);

	if (beside)
		pthread_join(thread, NULL);
	if (loader->aside)
		load_aside_set_types(loader->aside, loader->kernel);
	return err;
}

/* ---- Loading --------------------------------------------------------------------------------- */

/* Bytes of a slot with a life: struct slot of bpf/recent.bpf.h, in whole lines of the cache. */
#define SLOT_BYTES 256

_Static_assert(64 + sizeof(struct tcpdwell_life) <= SLOT_BYTES, "a slot has room for a life");

static int refuse(struct refusal *refusal, const char *name, int err)
{
	refusal->name = name;
	refusal->err = -err;
	return -1;
}

/*
 * Begins to make the maps of connections, while the rest goes on. Where lives are summed, a slot
 * has room for one.
 */
static int make_tables(struct loader *loader, struct refusal *refusal)
{
	const struct tcpdwell_bpf *skel = loader->skel;
	bool recent = features_use(&loader->features, FEATURE_RECENT);
	bool lives = features_use(&loader->features, FEATURE_LIVES);
	const char *refused;
	int err = 0;

	if (!features_use(&loader->features, FEATURE_MEMORY))
		return 0;
	if (lives)
		err = bpf_map__set_value_size(bpf_map__inner_map(skel->maps.recent), SLOT_BYTES);
	if (err)
		return refuse(refusal, "recent", err);
	loader->tables = tables_new(skel->maps.connections, recent ? skel->maps.recent : NULL,
				    lives ? skel->maps.lives : NULL,
				    map_sizes_sockets(&loader->capture), &refused);
	return loader->tables ? 0 : refuse(refusal, refused, -errno);
}

static int make_rings(struct loader *loader, struct refusal *refusal)
{
	unsigned int count = loader->rodata->cfg_rings;

	if (count == 1)
		return 0;
	loader->rings = rings_new(loader->skel->maps.rings, count,
				  rings_bytes(&loader->capture, count));
	return loader->rings ? 0 : refuse(refusal, "rings", -errno);
}

static int watch_tables(struct loader *loader, const char **refused)
{
	struct tcpdwell_bpf__bss *bss = loader->skel->bss;
	bool doorbell = loader->rodata->cfg_doorbell;

	if (!loader->tables)
		return 0;
	return tables_watch(loader->tables, &bss->tables.current, bss->tables.wanted,
			    doorbell ? bpf_map__fd(loader->skel->maps.doorbell) : -1, refused);
}

/*
 * Makes the map of variables and maps it. libbpf leaves variables unmapped if the kernel refuses a
 * map by which libbpf asks whether arrays can be mapped. The refusal may have had another reason,
 * but libbpf asks only once.
 */
static int make_bss(struct loader *loader)
{
	struct bpf_map *bss = loader->skel->maps.bss;
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "tcpdwell.bss", bpf_map__key_size(bss),
				bpf_map__value_size(bss), 1, &opts);
	int err = fd < 0 ? fd : bpf_map__reuse_fd(bss, fd);
	void *p;

	if (!err) {
		p = mmap(NULL, sizeof(*loader->skel->bss), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
		if (p == MAP_FAILED)
			err = -errno;
		else
			loader->own_bss = p;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

static int load_object(struct loader *loader, struct refusal *refusal)
{
	const char *aside_refused = NULL;
	int err, aside_err = 0;

	culprit_forget();
	if (loader->aside)
		load_aside_set_constants(loader->aside, loader->skel->maps.rodata);
	err = tcpdwell_bpf__load(loader->skel);
	if (loader->aside)
		aside_err = load_aside_wait(loader->aside, &aside_refused);
	if (loader->aside && load_aside_untyped(loader->aside))
		return refuse(refusal, "type information (BTF) of programs",
			      -(culprit_types_refused() ?: EOPNOTSUPP));
	/* libbpf has given up the map of variables, and goes on to load programs without it. */
	if (err && !bpf_map__autocreate(loader->skel->maps.bss))
		return refuse(refusal, "variables of programs (an array)",
			      -(culprit_variables_refused() ?: -err));
	if (err)
		return refuse(refusal, culprit_name(), err);
	if (aside_err)
		return refuse(refusal, aside_refused, aside_err);
	if (loader->own_bss)
		loader->skel->bss = loader->own_bss;
	loader->skel->rodata = loader->rodata; /* not mapped, but the content is the same */
	if (loader->skel->bss)
		return 0;
	loader->make_bss = true;
	return refuse(refusal, ".bss", -EOPNOTSUPP);
}

/* Tries whether the ring, which is mapped later, has room in the process where that is limited. */
static int try_ring(const struct loader *loader)
{
	struct ring *ring;
	struct rlimit limit;

	if (!features_want(&loader->features, FEATURE_TRANSITIONS) ||
	    getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	ring = ring_new(bpf_map__fd(loader->skel->maps.ring),
			bpf_map__max_entries(loader->skel->maps.ring));
	if (!ring)
		return -errno;
	ring_free(ring);
	return 0;
}

/* Does all that the kernel may refuse before anything is attached. */
int loader_load(struct loader *loader, struct refusal *refusal)
{
	int err;
	const char *refused = NULL;

	if (loader->make_bss) {
		err = make_bss(loader);
		if (err)
			return refuse(refusal, "a mapped array", err);
	}
	err = map_sizes_set(loader->skel, &loader->capture, loader->cpus);
	if (err)
		return refuse(refusal, NULL, err);
	if (load_object(loader, refusal))
		return -1;
	err = watch_tables(loader, &refused);
	if (!err)
		err = loader_fill_maps(loader, &refused);
	if (!err)
		err = programs_try(loader->programs,
				   loader->tables ? tables_fd(loader->tables, 0) : -1, &refused);
	if (err)
		return refuse(refusal, refused, err);
	loader_map_counters(loader);
	err = try_ring(loader);
	return err ? refuse(refusal, "ring", err) : 0;
}

/* Looks into timers only where they are the way that would be used, because that takes long. */
static void try_timer(struct loader *loader)
{
	static const enum feature_id hidden[] = { FEATURE_SYN_RECV, FEATURE_TIMEWAIT };

	for (unsigned int i = 0; i < 2; i++) {
		if (!features_use(&loader->features, hidden[i]) ||
		    features_backend(&loader->features, hidden[i]) != BACKEND_TIMER)
			continue;
		capability_try_timer(&loader->capability, loader->kernel);
		if (loader->capability.timer.err)
			features_set(&loader->features, hidden[i], 2, &loader->capability.timer);
	}
}

/*
 * Sets up the object, which is open, for an attempt to load it. This is done again for each
 * attempt: the ring may have another size then, and so may what else follows from the user's
 * options. Returns 0, 1 with @refusal filled, or -1 with @failure filled.
 */
int loader_prepare(struct loader *loader, struct refusal *refusal, struct failure *failure)
{
	loader->programs = programs_new(loader->skel, &loader->features);
	if (!loader->programs)
		return failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
	try_timer(loader);
	if (knobs_set(loader->rodata, &loader->capture, &loader->features, failure))
		return -1;
	programs_choose(loader->programs);
	return make_tables(loader, refusal) || make_rings(loader, refusal) ? 1 : 0;
}
