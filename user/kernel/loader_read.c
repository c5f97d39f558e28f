// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/loader_inside.h"
#include "kernel/programs.h"
#include "kernel/rings.h"
#include "tcpdwell.skel.h"

bool loader_sees_timewait(const struct loader *loader)
{
	return loader->rodata->cfg_timewait;
}

unsigned int loader_rings(const struct loader *loader, int *fds)
{
	fds[0] = bpf_map__fd(loader->skel->maps.ring);
	return 1 + rings_fds(loader->rings, fds + 1);
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
		err = bpf_prog_test_run_opts(bpf_program__fd(flush), &opts) ? -errno : 0;
	} while (!err && opts.retval == TCPDWELL_FLUSH_AGAIN);
	if (err && !loader->flush_failed)
		notice_print(
			loader->notice, NOTICE_WARNING,
			"rows that wait in the kernel are lost: the kernel will not run %s: %s",
			bpf_program__name(flush), strerror(-err));
	loader->flush_failed |= err;
	return err ?: opts.retval == TCPDWELL_FLUSH_WAITING;
}

void loader_reader_sleeps(struct loader *loader, bool sleeps)
{
	__atomic_store_n(&loader->skel->bss->shared.reader_sleeps, sleeps, __ATOMIC_SEQ_CST);
}

bool loader_reader_is_asleep(const struct loader *loader)
{
	return __atomic_load_n(&loader->skel->bss->shared.reader_sleeps, __ATOMIC_SEQ_CST);
}

int loader_stack(const struct loader *loader, uint64_t key, struct tcpdwell_stack *stack)
{
	return bpf_map__lookup_elem(loader->skel->maps.stacks, &key, sizeof(key), stack,
				    sizeof(*stack), 0);
}

void loader_missing(const struct loader *loader, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (int id = 0; id < FEATURE_COUNT && len < size; id++)
		if (features_miss(&loader->features, id))
			len += snprintf(text + len, size - len, "%s%s", len ? "; " : "",
					feature_table[id].lost);
}

/*
 * Has a kind of failed call forgotten, but not those that have failed since they were read. Before
 * Linux 5.14 a hash table cannot hand over what it deletes, so what comes in between is lost.
 */
static void forget_call(const struct loader *loader, const struct tcpdwell_failed_call *call,
			const struct tcpdwell_failed_calls *calls)
{
	const struct bpf_map *map = loader->skel->maps.failed_calls;
	struct tcpdwell_failed_calls last;

	if (bpf_map__lookup_and_delete_elem(map, call, sizeof(*call), &last, sizeof(last), 0)) {
		bpf_map__delete_elem(map, call, sizeof(*call), 0);
		return;
	}
	last.count -= calls->count;
	if (last.count &&
	    bpf_map__update_elem(map, call, sizeof(*call), &last, sizeof(last), BPF_NOEXIST))
		__atomic_fetch_add(&loader->skel->bss->calls_missed, last.count, __ATOMIC_RELAXED);
}

int loader_each_failed_call(const struct loader *loader, loader_failed_call *visit, void *context)
{
	const struct bpf_map *map = loader->skel->maps.failed_calls;
	struct tcpdwell_failed_call call, next;
	struct tcpdwell_failed_calls calls;
	int err = 0;

	if (!features_use(&loader->features, FEATURE_CALLS) ||
	    bpf_map__get_next_key(map, NULL, &call, sizeof(call)))
		return 0;
	while (!err) {
		bool more = !bpf_map__get_next_key(map, &call, &next, sizeof(next));

		if (!bpf_map__lookup_elem(map, &call, sizeof(call), &calls, sizeof(calls), 0))
			err = visit(context, &call, &calls);
		if (err == LOADER_FORGET) {
			forget_call(loader, &call, &calls);
			err = 0;
		}
		if (!more)
			break;
		call = next;
	}
	return err;
}

uint64_t loader_calls_missed(const struct loader *loader)
{
	return loader->skel->bss->calls_missed;
}

uint64_t loader_carried_lost(const struct loader *loader)
{
	return loader->skel->bss->carried_lost;
}

uint64_t loader_sums_lost(const struct loader *loader)
{
	return loader->skel->bss->sums_lost;
}

uint64_t loader_stacks_missed(const struct loader *loader)
{
	return loader->skel->bss->stacks_missed;
}

bool loader_sums(const struct loader *loader)
{
	return loader->capture.sums.wanted;
}

int loader_stat_turn(struct loader *loader)
{
	struct bpf_map *even = loader->skel->maps.stat_even, *odd = loader->skel->maps.stat_odd;
	/* After the last transition it suffices to wait for programs that have not ended. */
	struct bpf_map *maps[] = { even, loader->capture.sums.again ? odd : even };
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
	return loader->rodata->cfg_poll_timewait;
}
