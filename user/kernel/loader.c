// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/ring.h"
#include "base/thread.h"
#include "host/privilege.h"
#include "host/procfs.h"
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

/*
 * ---- Opening ------------------------------------------------------------------------------------
 */

/*
 * Opens the object. Its programs will be relocated against the types that are in the memory file by
 * then.
 */
static int open_programs(struct loader *loader)
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
static void close_programs(struct loader *loader)
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
	return err ? failure_errno(failure, "cannot keep the kernel's types", -err) : 0;
}

/*
 * Runs both in parallel: each reads the kernel's BTF, which takes 10 ms, and looks for names in it.
 */
static int ask_kernel_and_read_types(struct loader *loader, struct failure *failure)
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

static void close_core_btf(struct loader *loader)
{
	if (loader->core_btf >= 0)
		close(loader->core_btf);
	loader->core_btf = -1;
	kernel_types_free(loader->kernel);
	loader->kernel = NULL;
}

/*
 * ---- Loading ------------------------------------------------------------------------------------
 */

/* Bytes of a slot with a life: struct slot of bpf/recent.bpf.h, in whole lines of the cache. */
#define SLOT_BYTES 256

_Static_assert(64 + sizeof(struct tcpdwell_life) <= SLOT_BYTES, "a slot has room for a life");

/* What the kernel refused, and its errno. */
struct refusal {
	const char *name; /* a program or a map; NULL if it is unknown which */
	int err;
	bool attaching; /* a program that was loaded */
};

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
static int load(struct loader *loader, struct refusal *refusal)
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

/*
 * ---- Doing without ------------------------------------------------------------------------------
 */

/* More files than a run opens at the most. */
#define FILES_NEEDED 256

/* A smaller ring is of no use. */
#define RING_BYTES_MIN (64 * 1024)

/*
 * Fails if the kernel refuses a feature that the user asked for by name: such a feature is not left
 * out silently.
 */
static int check_asked_for(const struct loader *loader, struct failure *failure)
{
	static const enum feature_id asked_for[] = { FEATURE_PIDS, FEATURE_ADDRESSES, FEATURE_SUMS,
						     FEATURE_LIVES };
	char text[OBSTACLE_TEXT_LEN];

	for (unsigned int i = 0; i < sizeof(asked_for) / sizeof(*asked_for); i++) {
		enum feature_id id = asked_for[i];

		if (features_want(&loader->features, id) && !features_have(&loader->features, id))
			return failure_set(failure, STATUS_HOST, "%s: %s", feature_table[id].lost,
					   obstacle_text(features_why(&loader->features, id),
							 text));
	}
	return 0;
}

/*
 * Says that no more files can be opened. Programs and maps are files, and so are other files of the
 * host: if there are too many of them, the kernel refuses another one.
 */
static int files_ran_out(struct failure *failure)
{
	struct rlimit limit = {};

	getrlimit(RLIMIT_NOFILE, &limit);
	return failure_set(failure, STATUS_HOST,
			   "no more files can be opened: RLIMIT_NOFILE is %" PRIu64
			   " (ulimit -n), %d will do",
			   (uint64_t)limit.rlim_cur, FILES_NEEDED);
}

static int cannot_do_without(const struct refusal *refusal, struct failure *failure)
{
	char what[128] = "the program";

	if (refusal->name && refusal->name[0])
		snprintf(what, sizeof(what), "%s, which nothing works without", refusal->name);
	return capability_refused(failure, what, refusal->err);
}

static bool is_transition(const char *name)
{
	static const char tracepoint[] = "inet_sock_set_state";

	return !strncmp(name, tracepoint, sizeof(tracepoint) - 1);
}

/* Asks for rows where the kernel refuses sums and the caller can sum up rows itself. */
static void ask_for_rows_instead(struct loader *loader)
{
	struct capture *capture = &loader->capture;

	if (!capture->sums.wanted || !capture->sums.or_rows ||
	    features_have(&loader->features, FEATURE_SUMS))
		return;
	capture->sums.wanted = false;
	capture->rows = true;
	loader->features.wanted = loader->wanted = knobs_wanted(capture);
}

/* Closes the ways that the refusal affects. Returns 0 if there is another way to go on, or -1. */
static int do_without(struct loader *loader, const struct refusal *refusal, struct failure *failure)
{
	const char *name = refusal->name ?: "";
	int given_up;

	if (refusal->err == EMFILE || refusal->err == ENFILE)
		return files_ran_out(failure);
	notice_print(loader->notice, NOTICE_DETAIL, "refused: %s: %s", name,
		     capability_error(refusal->err));
	if (loader->make_bss && !loader->own_bss && !strcmp(name, ".bss"))
		return 0;
	if (!strcmp(name, "ring") && loader->capture.ring_bytes > RING_BYTES_MIN) {
		loader->capture.ring_bytes /= 4;
		if (loader->capture.ring_bytes < RING_BYTES_MIN)
			loader->capture.ring_bytes = RING_BYTES_MIN;
		return 0;
	}
	if (!features_refused(&loader->features, name, refusal->err)) {
		if (refusal->attaching || (name[0] && !is_transition(name)))
			return cannot_do_without(refusal, failure);
		given_up = features_give_up_one(&loader->features, refusal->err);
		if (given_up == FEATURE_NONE)
			return cannot_do_without(refusal, failure);
		notice_print(loader->notice, NOTICE_DETAIL, "without %s",
			     feature_table[given_up].name);
	} else if (features_want(&loader->features, FEATURE_TRANSITIONS) &&
		   !features_have(&loader->features, FEATURE_TRANSITIONS)) {
		return cannot_do_without(refusal, failure);
	}
	ask_for_rows_instead(loader);
	return loader->probes ? 0 : check_asked_for(loader, failure);
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
static int prepare(struct loader *loader, struct refusal *refusal, struct failure *failure)
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

static int reopen(struct loader *loader, struct failure *failure)
{
	close_programs(loader);
	if (open_programs(loader))
		return failure_errno(failure, "cannot open the program", errno);
	return 0;
}

/*
 * Loads all that the kernel takes. The object is open. It is opened again without what the kernel
 * refuses, until it is loaded.
 */
static int load_what_can_be(struct loader *loader, struct failure *failure)
{
	for (;;) {
		struct refusal refusal = {};
		int err = prepare(loader, &refusal, failure);

		if (err < 0)
			return -1;
		if (!err && !load(loader, &refusal))
			return 0;
		if (do_without(loader, &refusal, failure) || reopen(loader, failure))
			return -1;
	}
}

/* Warns of what the user does not get. */
static void warn_missing(const struct loader *loader)
{
	char text[OBSTACLE_TEXT_LEN];

	if (loader->probes)
		return;
	for (int id = 0; id < FEATURE_COUNT; id++) {
		if (!features_miss(&loader->features, id))
			continue;
		/* A caller that looks in another way says so itself. */
		if (loader->capture.sockets_otherwise &&
		    (id == FEATURE_DESCRIPTORS || id == FEATURE_SOCKETS))
			continue;
		notice_print(loader->notice, NOTICE_WARNING, "%s: %s (see `tcpdwell probe`)",
			     feature_table[id].lost,
			     obstacle_text(features_why(&loader->features, id), text));
	}
	if (loader->capture.sums.or_rows && !loader->capture.sums.wanted)
		notice_print(
			loader->notice, NOTICE_WARNING,
			"rows are summed up outside the kernel, which takes more time, and waits "
			"for accept() are not known: %s (see `tcpdwell probe`)",
			obstacle_text(features_why(&loader->features, FEATURE_SUMS), text));
	if (!loader->rodata->cfg_has_cookie)
		notice_print(loader->notice, NOTICE_DETAIL,
			     "no socket cookies in tracing programs (Linux 5.12): "
			     "identities are the tracer's own");
}

/*
 * ---- Life ---------------------------------------------------------------------------------------
 */

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

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= FILES_NEEDED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_NEEDED ? limit.rlim_max : FILES_NEEDED;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct loader *loader, struct failure *failure)
{
	if (access("/proc/self/fd", X_OK))
		return failure_set(failure, STATUS_HOST,
				   "/proc is not mounted (mount -t proc proc /proc)");
	allow_files();
	loader->core_btf = memfd_create("types", MFD_CLOEXEC);
	if (loader->core_btf < 0 || open_programs(loader))
		return capability_refused(failure, "to open the program", errno);
	if (ask_kernel_and_read_types(loader, failure))
		return -1;
	features_init(&loader->features, &loader->capability, loader->capture.backend);
	loader->features.wanted = loader->wanted;
	if ((!loader->probes && check_asked_for(loader, failure)) ||
	    load_what_can_be(loader, failure))
		return -1;
	/* If transitions are followed, what is missing is known only after the attaching. */
	if (!features_want(&loader->features, FEATURE_TRANSITIONS))
		warn_missing(loader);
	return 0;
}

/*
 * Blocks of this size or more get a mapping of their own: they are given back as soon as they are
 * freed, and pages that nothing was put into take no memory. By default malloc raises the threshold
 * after it has freed a large block, such as the kernel's types.
 */
#define LARGE_BYTES (128 * 1024)

static struct loader *new (const struct capture *capture, uint64_t wanted,
			   const struct notice *notice, struct failure *failure)
{
	struct loader *loader;
	int err;

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
	err = start(loader, failure);
	/* The start itself is faster with memory that was freed a moment before. */
	mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	if (!err)
		return loader;
	loader_free(loader);
	return NULL;
}

struct loader *loader_new(const struct capture *capture, const struct notice *notice,
			  struct failure *failure)
{
	return new (capture, knobs_wanted(capture), notice, failure);
}

/* Tries until all programs that are loaded are attached, too. */
static int attach_what_can_be(struct loader *loader, struct failure *failure)
{
	for (;;) {
		struct refusal refusal = { .attaching = true };
		int err = programs_attach(loader->programs, loader->notice, &refusal.name);

		if (!err)
			return 0;
		refusal.err = -err;
		if (do_without(loader, &refusal, failure) || reopen(loader, failure) ||
		    load_what_can_be(loader, failure))
			return -1;
	}
}

int loader_attach(struct loader *loader, struct failure *failure)
{
	if (attach_what_can_be(loader, failure))
		return -1;
	close_core_btf(loader);
	warn_missing(loader);
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
	if (!attach_what_can_be(loader, failure)) {
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
	close_programs(loader);
	load_aside_free(loader->aside);
	close_core_btf(loader);
	free(loader);
}
