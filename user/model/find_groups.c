// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What belongs together: sockets and ends of connections, by process or by program.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/finders.h"

size_t finder_sockets(const struct fact_socket *const *group, size_t count)
{
	size_t sockets = count;

	for (size_t i = 0; i < count; i++)
		sockets += group[i]->others;
	return sockets;
}

/* qsort() passes nothing but the elements, so the function is passed here. */
static _Thread_local finder_compare *comparison;

static int compare_picked(const void *a, const void *b)
{
	return comparison(*(const struct fact_socket *const *)a,
			  *(const struct fact_socket *const *)b);
}

void finder_groups(struct finder *finder, finder_pick *pick, finder_compare *compare,
		   finder_found *found)
{
	finder_groups_sorted(finder, pick, compare, compare, found);
}

void finder_groups_sorted(struct finder *finder, finder_pick *pick, finder_compare *sort,
			  finder_compare *compare, finder_found *found)
{
	size_t count = 0;

	for (size_t i = 0; i < finder->facts->socket_count; i++)
		if (pick(finder, &finder->facts->sockets[i]))
			finder->picked[count++] = &finder->facts->sockets[i];
	comparison = sort;
	qsort(finder->picked, count, sizeof(*finder->picked), compare_picked);
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count; n++)
			if (compare(finder->picked[i], finder->picked[i + n]))
				break;
		found(finder, finder->picked + i, n);
	}
}

int finder_compare_owners(const struct fact_owner *a, const struct fact_owner *b)
{
	return memcmp(a->comm, b->comm, sizeof(a->comm)) ?:
		       compare(a->pid, b->pid)		 ?:
							   compare(a->kernel, b->kernel);
}

static bool is_same(const struct fact_owner *a, const struct fact_owner *b)
{
	return a->pid == b->pid && a->kernel == b->kernel;
}

/* Compares what the sockets of one group have in common, and then their owners. */
static int compare_of_programs(const void *a, const void *b)
{
	const struct fact_socket *x = *(const struct fact_socket *const *)a;
	const struct fact_socket *y = *(const struct fact_socket *const *)b;

	return comparison(x, y) ?: finder_compare_owners(&x->owner, &y->owner);
}

static uint64_t count_sockets(const struct fact_socket *const *group, size_t count)
{
	return finder_sockets(group, count);
}

/* More processes of one name than these are reported together, in any case. */
#define ONE_BY_ONE 5

/* Returns how many processes of a group have enough to be reported by themselves. */
static size_t count_large(const struct fact_socket *const *group, size_t count,
			  const struct finder_least *least)
{
	size_t large = 0;

	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && is_same(&group[i + n]->owner, &group[i]->owner); n++)
			;
		large += least->count(group + i, n) >= least->alone;
	}
	return large;
}

/* Reports the processes of one name by themselves or, if they have few sockets each, together. */
static void found_program(struct finder *finder, const struct fact_socket **group, size_t count,
			  const struct finder_least *least, finder_found *found)
{
	size_t few = 0;

	if (count_large(group, count, least) > ONE_BY_ONE) {
		found(finder, group, count);
		return;
	}
	for (size_t i = 0, n; i < count; i += n) {
		uint64_t sockets;

		for (n = 1; i + n < count && is_same(&group[i + n]->owner, &group[i]->owner); n++)
			;
		sockets = least->count(group + i, n);
		if (sockets >= least->alone) {
			found(finder, group + i, n);
			continue;
		}
		memmove(group + few, group + i, n * sizeof(*group));
		few += n;
	}
	if (few && least->count(group, few) >= least->all)
		found(finder, group, few);
}

void finder_programs(struct finder *finder, finder_pick *pick, finder_compare *compare,
		     struct finder_least least, finder_found *found)
{
	const struct fact_socket **picked = finder->picked;
	size_t count = 0;

	least.count = least.count ?: count_sockets;
	for (size_t i = 0; i < finder->facts->socket_count; i++)
		if (pick(finder, &finder->facts->sockets[i]))
			picked[count++] = &finder->facts->sockets[i];
	comparison = compare;
	qsort(picked, count, sizeof(*picked), compare_of_programs);
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count; n++)
			if (compare(picked[i], picked[i + n]) ||
			    memcmp(picked[i]->owner.comm, picked[i + n]->owner.comm,
				   sizeof(picked[i]->owner.comm)))
				break;
		found_program(finder, picked + i, n, &least, found);
	}
}

/* ---- Ends of connections ---- */

static _Thread_local finder_compare_ends *end_comparison;

static int compare_ends_of_programs(const void *a, const void *b)
{
	const struct fact_end *x = *(const struct fact_end *const *)a;
	const struct fact_end *y = *(const struct fact_end *const *)b;

	return end_comparison(x, y) ?: finder_compare_owners(&x->owner, &y->owner);
}

uint64_t finder_ends_count(const struct fact_end *const *group, size_t count)
{
	uint64_t ends = 0;

	for (size_t i = 0; i < count; i++)
		ends += group[i]->count;
	return ends;
}

static size_t count_large_ends(const struct fact_end *const *group, size_t count, uint64_t least)
{
	size_t large = 0;

	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && is_same(&group[i + n]->owner, &group[i]->owner); n++)
			;
		large += finder_ends_count(group + i, n) >= least;
	}
	return large;
}

/* Does what found_program() does. */
static void found_ends_of_program(struct finder *finder, const struct fact_end **group,
				  size_t count, uint64_t least, finder_found_ends *found)
{
	size_t few = 0;

	if (count_large_ends(group, count, least) > ONE_BY_ONE) {
		found(finder, group, count);
		return;
	}
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count && is_same(&group[i + n]->owner, &group[i]->owner); n++)
			;
		if (finder_ends_count(group + i, n) >= least) {
			found(finder, group + i, n);
			continue;
		}
		memmove(group + few, group + i, n * sizeof(*group));
		few += n;
	}
	if (few && finder_ends_count(group, few) >= least)
		found(finder, group, few);
}

void finder_ends(struct finder *finder, finder_pick_end *pick, finder_compare_ends *compare,
		 uint64_t least, finder_found_ends *found)
{
	const struct fact_end *const ends = finder->facts->ends;
	const struct fact_end **picked = calloc(finder->facts->end_count + 1, sizeof(*picked));
	size_t count = 0;

	if (!picked) {
		finder->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < finder->facts->end_count; i++)
		if (pick(finder, &ends[i]))
			picked[count++] = &ends[i];
	end_comparison = compare;
	qsort(picked, count, sizeof(*picked), compare_ends_of_programs);
	for (size_t i = 0, n; i < count; i += n) {
		for (n = 1; i + n < count; n++)
			if (compare(picked[i], picked[i + n]) ||
			    memcmp(picked[i]->owner.comm, picked[i + n]->owner.comm,
				   sizeof(picked[i]->owner.comm)))
				break;
		found_ends_of_program(finder, picked + i, n, least, found);
	}
	free(picked);
}

/* ---- Whose it is ---- */

static int compare_pids(const void *a, const void *b)
{
	return compare(*(const uint32_t *)a, *(const uint32_t *)b);
}

size_t finder_processes(const struct fact_socket *const *group, size_t count)
{
	uint32_t *pids = calloc(count, sizeof(*pids));
	size_t different = 0;

	if (!pids)
		return 1;
	for (size_t i = 0; i < count; i++)
		pids[i] = group[i]->owner.pid;
	qsort(pids, count, sizeof(*pids), compare_pids);
	for (size_t i = 0; i < count; i++)
		different += !i || pids[i] != pids[i - 1];
	free(pids);
	return different;
}

static void set_owner(struct finding *finding, const struct fact_owner *owner, uint32_t processes)
{
	finding->owner = *owner;
	finding->processes = processes > 1 ? processes : 0;
}

void finding_set_owner(struct finding *finding, const struct fact_socket *const *group,
		       size_t count)
{
	uint32_t processes = 0;

	for (size_t i = 0; i < count; i++)
		processes += !i || group[i]->owner.pid != group[i - 1]->owner.pid;
	set_owner(finding, &group[0]->owner, processes);
}

void finding_set_owner_of_ends(struct finding *finding, const struct fact_end *const *group,
			       size_t count)
{
	uint32_t processes = 0;

	for (size_t i = 0; i < count; i++)
		processes += !i || group[i]->owner.pid != group[i - 1]->owner.pid;
	set_owner(finding, &group[0]->owner, processes);
}

void finding_processes(struct finding *finding)
{
	if (finding->processes)
		finding_figure(finding, "processes", finding->processes, FIGURE_COUNT, false);
}
