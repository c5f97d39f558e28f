// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "base/thread.h"
#include "host/privilege.h"
#include "host/procfs.h"
#include "kernel/capability.h"
#include "kernel/core_btf.h"
#include "kernel/knobs.h"
#include "kernel/load_aside.h"
#include "kernel/loader.h"
#include "kernel/map_sizes.h"
#include "kernel/programs.h"
#include "kernel/sweep.h"
#include "kernel/tables.h"
#include "model/overdue.h"
#include "tcpdwell.skel.h"

struct loader {
	struct load_aside *aside;
	int core_btf;	 /* what relocations are made against, -1: not open */
	int targets_err; /* of set_attach_targets() */
	struct tables *tables;
	struct tcpdwell_bpf *skel;
	struct programs *programs;
	struct sweep *sweep; /* from when the programs are attached until they are not */
	const struct notice *notice;
	struct capability capability;
	struct tcpdwell_counters *counters; /* one for each possible CPU, mapped */
	size_t counters_bytes;
	int cpus;
	struct overdue overdue;
	unsigned int stat_turns; /* odd: programs add to the odd map of stat */
};

/*
 * ---- Filling maps -------------------------------------------------------------------------------
 */

int loader_follow(struct loader *loader, uint32_t pid)
{
	uint8_t one = 1;

	return bpf_map__update_elem(loader->skel->maps.pids, &pid, sizeof(pid), &one, sizeof(one),
				    BPF_ANY);
}

static int fill_maps(struct loader *loader, const struct filters *filters)
{
	int err = 0;

	for (unsigned int i = 0; i < filters->pids.count && !err; i++)
		err = loader_follow(loader, filters->pids.ids[i]);
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

/* That the other one is added to is for loader_stat_turn() to say. */
static int fill_stats(const struct loader *loader)
{
	int even = bpf_map__fd(loader->skel->maps.stat_even);
	uint32_t zero = 0;

	if (!loader->skel->rodata->cfg_stat)
		return 0;
	return bpf_map__update_elem(loader->skel->maps.stats, &zero, sizeof(zero), &even,
				    sizeof(even), BPF_ANY);
}

static int map_counters(struct loader *loader)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *p;

	loader->counters_bytes = (loader->cpus * sizeof(*loader->counters) + page - 1) & -page;
	p = mmap(NULL, loader->counters_bytes, PROT_READ, MAP_SHARED,
		 bpf_map__fd(loader->skel->maps.counters), 0);
	if (p == MAP_FAILED)
		return -errno;
	loader->counters = p;
	return 0;
}

/*
 * ---- Life ---------------------------------------------------------------------------------------
 */

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, format, args);
}

/* Opens the programs, to be relocated against a file that is empty as yet. Sets errno. */
static int open_programs(struct loader *loader)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	char path[sizeof("/proc/self/fd/") + 10];

	loader->core_btf = memfd_create("types", MFD_CLOEXEC);
	if (loader->core_btf < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", loader->core_btf);
	opts.btf_custom_path = path;
	loader->skel = tcpdwell_bpf__open_opts(&opts);
	return loader->skel ? 0 : -1;
}

/* What libbpf finds out of the section's name, but not if that is load_aside.h's. */
static void *set_attach_targets(void *argument)
{
	struct loader *loader = argument;
	struct bpf_program *program;
	int err;

	bpf_object__for_each_program(program, loader->skel->obj)
	{
		if (strcmp(bpf_program__section_name(program), TRANSITION_SECTION))
			continue;
		err = bpf_program__set_attach_target(program, 0, TRANSITION_TRACEPOINT);
		loader->targets_err = loader->targets_err ?: err;
	}
	return NULL;
}

static int ask_kernel(struct loader *loader, const struct options *options, struct failure *failure)
{
	struct btf *kernel = capability_btf(failure);
	int err = -1;

	if (!kernel)
		return -1;
	if (!capability_probe(&loader->capability, kernel, options->backend, failure)) {
		err = core_btf_write(loader->core_btf, kernel, bpf_object__btf(loader->skel->obj));
		if (err)
			failure_errno(failure, "cannot keep the kernel's types", -err);
	}
	btf__free(kernel);
	return err;
}

/* Both read the kernel's BTF, 10 ms each, and look for names in it. */
static int ask_kernel_and_set_targets(struct loader *loader, const struct options *options,
				      struct failure *failure)
{
	pthread_t thread;
	bool beside = !thread_start(&thread, set_attach_targets, loader);
	int err = ask_kernel(loader, options, failure);

	if (beside)
		pthread_join(thread, NULL);
	else
		set_attach_targets(loader);
	return err;
}

static void close_core_btf(struct loader *loader)
{
	if (loader->core_btf >= 0)
		close(loader->core_btf);
	loader->core_btf = -1;
}

static int load_programs(struct loader *loader)
{
	int err = loader->targets_err ?: tcpdwell_bpf__load(loader->skel), aside_err = 0;

	if (loader->aside)
		aside_err = load_aside_wait(loader->aside);
	close_core_btf(loader);
	return err ?: aside_err;
}

static int load(struct loader *loader, const struct options *options, struct failure *failure)
{
	int err = knobs_set(loader->skel->rodata, options, &loader->capability, failure);

	if (err)
		return err;
	programs_choose(loader->programs, options);
	programs_warn_missing(loader->programs, options, loader->notice);
	err = map_sizes_set(loader->skel, options, loader->cpus);
	if (!err)
		err = load_programs(loader);
	if (!err)
		err = tables_watch(loader->tables, &loader->skel->bss->tables.current,
				   loader->skel->bss->tables.wanted,
				   bpf_map__fd(loader->skel->maps.doorbell));
	if (!err)
		err = map_counters(loader);
	if (!err)
		err = fill_stats(loader);
	if (!err)
		err = fill_maps(loader, &options->filters);
	if (!err)
		return 0;
	return failure_set(failure, STATUS_HOST,
			   "the kernel refuses the program: %s (-v shows what it says)",
			   strerror(-err));
}

/* Numbers of processes are compared in the kernel, where each has one of the initial namespace. */
static int check_pid_namespace(const struct options *options, const struct notice *notice,
			       struct failure *failure)
{
	if ((!options->program && !options->filters.pids.count) || procfs_pids_are_the_kernels(""))
		return 0;
	if (options->program)
		return failure_set(
			failure, STATUS_HOST,
			"-- PROGRAM: in a PID namespace of its own it has another number "
			"than in the kernel: run in the host's (--pid=host)");
	notice_print(notice, NOTICE_WARNING,
		     "-p: this is a PID namespace of its own, and numbers are the host's");
	return 0;
}

struct loader *loader_new(const struct options *options, const struct notice *notice,
			  struct failure *failure)
{
	struct loader *loader;

	libbpf_set_print(notice->verbose ? print_libbpf : NULL);
	if (privilege_check(failure) || check_pid_namespace(options, notice, failure))
		return NULL;
	loader = calloc(1, sizeof(*loader));
	if (!loader) {
		failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
		return NULL;
	}
	loader->core_btf = -1;
	loader->notice = notice;
	loader->cpus = libbpf_num_possible_cpus();
	/* What the verifier says is to be heard of one program after the other. */
	if (!notice->verbose)
		loader->aside = load_aside_new(TRANSITION_SECTION, "Dual BSD/GPL");
	if (!open_programs(loader))
		loader->tables = tables_new(loader->skel->maps.connections,
					    loader->skel->maps.recent, map_sizes_sockets(options));
	if (!loader->tables) {
		failure_errno(failure, "cannot open the program", errno);
		goto err;
	}
	if (ask_kernel_and_set_targets(loader, options, failure))
		goto err;
	loader->programs = programs_new(loader->skel, &loader->capability);
	if (!loader->programs) {
		failure_set(failure, STATUS_OTHER, "%s", strerror(errno));
		goto err;
	}
	if (load(loader, options, failure))
		goto err;
	return loader;
err:
	loader_free(loader);
	return NULL;
}

int loader_attach(struct loader *loader, struct failure *failure)
{
	if (programs_attach(loader->programs, loader->notice, failure))
		return -1;
	if (!programs_can_sweep(loader->programs))
		return 0;
	loader->sweep = sweep_new(loader->programs, loader->tables);
	if (loader->sweep)
		return 0;
	return failure_errno(failure, "cannot start", errno);
}

void loader_detach(struct loader *loader)
{
	sweep_finish(loader->sweep);
	programs_detach(loader->programs);
}

void loader_free(struct loader *loader)
{
	if (!loader)
		return;
	sweep_free(loader->sweep);
	programs_free(loader->programs);
	if (loader->counters)
		munmap(loader->counters, loader->counters_bytes);
	tables_free(loader->tables);
	tcpdwell_bpf__destroy(loader->skel);
	load_aside_free(loader->aside);
	close_core_btf(loader);
	free(loader);
}

/*
 * ---- The snapshot -------------------------------------------------------------------------------
 */

void loader_snapshot_begin(struct loader *loader, uint64_t sockets)
{
	tables_expect(loader->tables, sockets);
	loader->skel->bss->shared.scanning = 1;
	loader->skel->bss->snapshot_round++;
}

static void empty_queued(const struct bpf_map *queued)
{
	uint64_t child, next;
	bool any = !bpf_map__get_next_key(queued, NULL, &child, sizeof(child));

	for (; any; child = next) {
		any = !bpf_map__get_next_key(queued, &child, &next, sizeof(next));
		bpf_map__delete_elem(queued, &child, sizeof(child), 0);
	}
}

/* The time comes first: who finds that the snapshot is over finds when it was. */
void loader_snapshot_end(struct loader *loader)
{
	struct tcpdwell_bpf__bss *bss = loader->skel->bss;

	empty_queued(loader->skel->maps.queued);
	__atomic_store_n(&bss->shared.early_ns, clock_now_ns(), __ATOMIC_SEQ_CST);
	__atomic_store_n(&bss->shared.scanning, 0, __ATOMIC_SEQ_CST);
}

bool loader_found_all(const struct loader *loader, uint32_t netns, unsigned int sockets)
{
	const struct tcpdwell_bpf *skel = loader->skel;
	struct tcpdwell_namespace found;

	return !bpf_map__lookup_elem(skel->maps.namespaces, &netns, sizeof(netns), &found,
				     sizeof(found), 0) &&
	       found.round == skel->bss->snapshot_round && found.sockets == sockets &&
	       !found.requests;
}

uint32_t loader_netns(const struct loader *loader)
{
	return loader->skel->rodata->cfg_netns;
}

int loader_open_descriptors(struct loader *loader)
{
	return programs_open_descriptors(loader->programs);
}

int loader_open_sockets(struct loader *loader)
{
	return programs_open_sockets(loader->programs);
}

/*
 * ---- While it runs ------------------------------------------------------------------------------
 */

bool loader_sees_timewait(const struct loader *loader)
{
	return loader->skel->rodata->cfg_minis;
}

int loader_ring(const struct loader *loader)
{
	return bpf_map__fd(loader->skel->maps.ring);
}

int loader_flush(struct loader *loader, uint64_t min_age_ns)
{
	uint64_t args[1] = { min_age_ns };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	const struct bpf_program *flush = programs_flush(loader->programs);
	int err;

	if (!bpf_program__autoload(flush))
		return 0;
	do {
		err = bpf_prog_test_run_opts(bpf_program__fd(flush), &opts);
	} while (!err && opts.retval == TCPDWELL_FLUSH_AGAIN);
	return err ? -errno : opts.retval == TCPDWELL_FLUSH_WAITING;
}

void loader_reader_sleeps(struct loader *loader, bool sleeps)
{
	__atomic_store_n(&loader->skel->bss->shared.reader_sleeps, sleeps, __ATOMIC_SEQ_CST);
}

bool loader_reader_is_asleep(const struct loader *loader)
{
	return __atomic_load_n(&loader->skel->bss->shared.reader_sleeps, __ATOMIC_SEQ_CST);
}

bool loader_take_flood(struct loader *loader, struct tcpdwell_flood *flood, uint16_t *port)
{
	struct bpf_map *floods = loader->skel->maps.floods;
	struct tcpdwell_flood one;
	uint32_t key;
	bool any = false;

	if (!loader->skel->bss->shared.flooding)
		return false;
	loader->skel->bss->shared.flooding = 0;
	for (int i = 0; i < TCPDWELL_FLOODS; i++) {
		if (bpf_map__get_next_key(floods, NULL, &key, sizeof(key)) ||
		    bpf_map__lookup_elem(floods, &key, sizeof(key), &one, sizeof(one), 0))
			break;
		bpf_map__delete_elem(floods, &key, sizeof(key), 0);
		if (!any || one.folded > flood->folded) {
			*flood = one;
			*port = key;
		}
		any = true;
	}
	return any;
}

int loader_stack(const struct loader *loader, uint64_t key, struct tcpdwell_stack *stack)
{
	return bpf_map__lookup_elem(loader->skel->maps.stacks, &key, sizeof(key), stack,
				    sizeof(*stack), 0);
}

uint64_t loader_stacks_missed(const struct loader *loader)
{
	return loader->skel->bss->stacks_missed;
}

int loader_stat_turn(struct loader *loader)
{
	struct bpf_map *maps[] = { loader->skel->maps.stat_even, loader->skel->maps.stat_odd };
	struct bpf_map *left = maps[loader->stat_turns % 2];
	int fd = bpf_map__fd(maps[(loader->stat_turns + 1) % 2]);
	uint32_t zero = 0;
	int err = bpf_map__update_elem(loader->skel->maps.stats, &zero, sizeof(zero), &fd,
				       sizeof(fd), BPF_ANY);

	if (err)
		return err;
	loader->stat_turns++;
	return bpf_map__fd(left);
}

uint32_t loader_stat_size(const struct loader *loader)
{
	return bpf_map__max_entries(loader->skel->maps.stat_even);
}

bool loader_polls(const struct loader *loader)
{
	return loader->skel->rodata->cfg_poll_minis;
}

/* A program runs for less than a microsecond; a set that is out of balance for longer stays so. */
#define READS_MAX 100000

/* One CPU's set, read again until no program was running in between. */
static struct tcpdwell_counters counters_read(const volatile struct tcpdwell_counters *live)
{
	struct tcpdwell_counters c;
	int reads = 0;

	do {
		c.seen = live->seen;
		c.emitted = live->emitted;
		c.filtered = live->filtered;
		c.held = live->held;
		c.lost_ring = live->lost_ring;
		c.lost_map = live->lost_map;
		c.untracked = live->untracked;
		c.folded = live->folded;
	} while ((c.seen != c.emitted + c.filtered + c.held + c.folded + c.lost_ring + c.lost_map ||
		  c.seen != live->seen) &&
		 ++reads < READS_MAX);
	return c;
}

void loader_counters(const struct loader *loader, struct tcpdwell_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (int cpu = 0; cpu < loader->cpus; cpu++) {
		struct tcpdwell_counters c = counters_read(&loader->counters[cpu]);

		sum->seen += c.seen;
		sum->emitted += c.emitted;
		sum->filtered += c.filtered;
		sum->held += c.held;
		sum->lost_ring += c.lost_ring;
		sum->lost_map += c.lost_map;
		sum->untracked += c.untracked;
		sum->folded += c.folded;
	}
}

uint64_t loader_missed(const struct loader *loader)
{
	uint64_t told = loader->skel->bss->nested_told, gaps = loader->skel->bss->gaps;
	int fd = bpf_program__fd(programs_transition(loader->programs));
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	/* Most of those that the kernel counts leave a gap: the sum would have them twice. */
	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.recursion_misses < told + gaps)
		return gaps;
	return info.recursion_misses - told;
}

uint64_t loader_overdue(struct loader *loader)
{
	struct tcpdwell_timers *timers = calloc(loader->cpus, sizeof(*timers));
	uint64_t gone = loader->skel->bss->requests_gone, all = 0;
	uint32_t zero = 0;

	if (timers && !bpf_map__lookup_elem(loader->skel->maps.request_timers, &zero, sizeof(zero),
					    timers, loader->cpus * sizeof(*timers), 0))
		all = overdue_count(&loader->overdue, timers, loader->cpus,
				    loader->skel->bss->timer_second);
	free(timers);
	return all > gone ? all - gone : 0;
}
