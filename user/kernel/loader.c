// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "host/privilege.h"
#include "host/procfs.h"
#include "kernel/culprit.h"
#include "kernel/kernel_types.h"
#include "kernel/knobs.h"
#include "kernel/load_aside.h"
#include "kernel/loader_inside.h"
#include "kernel/programs.h"
#include "kernel/sweep.h"
#include "tcpdwell.skel.h"

static void close_core_btf(struct loader *loader)
{
	if (loader->core_btf >= 0)
		close(loader->core_btf);
	loader->core_btf = -1;
	kernel_types_free(loader->kernel);
	loader->kernel = NULL;
}

/*
 * Checks that the tracer is in the initial PID namespace if the run filters by process. The kernel
 * side compares process numbers of that namespace.
 */
static int check_pid_namespace(const struct capture *capture, const struct notice *notice,
			       struct failure *failure)
{
	if ((!capture->program && !capture->filters.pids.count) || procfs_pids_are_the_kernels(""))
		return 0;
	if (capture->program)
		return failure_set(
			failure, STATUS_HOST,
			"-- PROGRAM: in a PID namespace of its own it has another number "
			"than in the kernel: run in the host's (--pid=host)");
	notice_print(notice, NOTICE_WARNING,
		     "-p: this is a PID namespace of its own, and numbers are the host's");
	return 0;
}

/* Raises the limit of open files, which is often lower than the one that is allowed. */
static void allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= LOADER_FILES)
		return;
	limit.rlim_cur = limit.rlim_max < LOADER_FILES ? limit.rlim_max : LOADER_FILES;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct loader *loader, struct failure *failure)
{
	allow_files();
	loader->core_btf = memfd_create("types", MFD_CLOEXEC);
	if (loader->core_btf < 0 || loader_open_programs(loader))
		return capability_refused(failure, "to open the program", errno);
	if (loader_ask_kernel(loader, failure))
		return -1;
	features_init(&loader->features, &loader->capability, loader->capture.backend);
	loader->features.wanted = loader->wanted;
	if ((!loader->probes && loader_check_asked_for(loader, failure)) ||
	    loader_load_what_can_be(loader, failure))
		return -1;
	/* If transitions are followed, what is missing is known only after the attaching. */
	if (!features_want(&loader->features, FEATURE_TRANSITIONS))
		loader_warn_missing(loader);
	return 0;
}

static struct loader *new (const struct capture *capture, uint64_t wanted,
			   const struct notice *notice, struct failure *failure)
{
	struct loader *loader;

	culprit_listen(notice->verbose);
	if (privilege_check(failure) || check_pid_namespace(capture, notice, failure))
		return NULL;
	loader = calloc(1, sizeof(*loader));
	if (!loader) {
		failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
		return NULL;
	}
	loader->capture = *capture;
	loader->wanted = wanted;
	loader->probes = wanted == FEATURES_ALL;
	loader->core_btf = -1;
	loader->notice = notice;
	loader->cpus = libbpf_num_possible_cpus();
	/*
	 * Threads must use the main heap: loader_started() could not give back what they leave in
	 * others.
	 */
	mallopt(M_ARENA_MAX, 1);
	/* With -v the verifier's messages must come for one program after the other. */
	loader->aside = load_aside_new("Dual BSD/GPL", !notice->verbose);
	if (!start(loader, failure))
		return loader;
	loader_free(loader);
	return NULL;
}

struct loader *loader_new(const struct capture *capture, const struct notice *notice,
			  struct failure *failure)
{
	return new (capture, knobs_wanted(capture), notice, failure);
}

int loader_attach(struct loader *loader, struct failure *failure)
{
	if (loader_attach_what_can_be(loader, failure))
		return -1;
	close_core_btf(loader);
	loader_warn_missing(loader);
	if (!programs_can_sweep(loader->programs) || !loader->tables)
		return 0;
	loader->sweep = sweep_new(loader->programs, loader->tables);
	if (loader->sweep)
		return 0;
	return failure_errno(failure, "cannot start", errno);
}

void loader_look_no_more(struct loader *loader)
{
	programs_look_no_more(loader->programs);
}

void loader_started(const struct loader *loader)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t)loader->skel->skeleton->data;
	uintptr_t end = (begin + loader->skel->skeleton->data_sz) & ~(page - 1);

	begin = (begin + page - 1) & ~(page - 1);
	if (begin < end)
		madvise((void *)begin, end - begin, MADV_DONTNEED);
	malloc_trim(0);
}

struct loader *loader_probe(const struct capture *capture, const struct notice *notice,
			    struct failure *failure)
{
	struct loader *loader = new (capture, FEATURES_ALL, notice, failure);

	if (!loader)
		return NULL;
	if (!loader_attach_what_can_be(loader, failure)) {
		programs_detach(loader->programs);
		return loader;
	}
	loader_free(loader);
	return NULL;
}

const struct features *loader_features(const struct loader *loader)
{
	return &loader->features;
}

void loader_detach(struct loader *loader)
{
	int err = sweep_finish(loader->sweep);

	if (err)
		notice_print(loader->notice, NOTICE_WARNING, "%s: %s",
			     feature_table[FEATURE_SWEEP].lost, strerror(-err));
	programs_detach(loader->programs);
}

int loader_tell_open(struct loader *loader, bool last)
{
	if (last)
		__atomic_store_n(&loader->skel->bss->shared.over, 1, __ATOMIC_SEQ_CST);
	return sweep_tell_open(loader->sweep, &loader->skel->bss->open_asked);
}

void loader_free(struct loader *loader)
{
	if (!loader)
		return;
	loader_close_programs(loader);
	load_aside_free(loader->aside);
	close_core_btf(loader);
	free(loader);
}
