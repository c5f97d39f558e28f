// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What belongs together: sockets and ends of connections, by process or by program.
 */
#include <errno.h>
#include <stddef.h>
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

/* ---- By program ---- */

/* More processes of one name than these are reported together, in any case. */
#define ONE_BY_ONE 5

/* What is grouped: sockets, or ends of connections. Each begins with its owner. */
struct programs {
	struct finder *finder;
	const void **items;
	size_t count;
	struct finder_least least;
	int (*compare)(const struct programs *programs, const void *a, const void *b);
	uint64_t (*weigh)(const struct programs *programs, const void *const *group, size_t count);
	void (*found)(const struct programs *programs, const void *const *group, size_t count);
	union {
		struct {
			finder_compare *compare;
			finder_found *found;
		} sockets;
		struct {
			finder_compare_ends *compare;
			finder_found_ends *found;
		} ends;
	};
};

_Static_assert(!offsetof(struct fact_socket, owner) && !offsetof(struct fact_end, owner),
	       "a socket and an end begin with the owner");

static _Thread_local const struct programs *sorted;

static int compare_items(const void *left, const void *right)
{
	const void *a = *(const void *const *)left, *b = *(const void *const *)right;

	return sorted->compare(sorted, a, b) ?: finder_compare_owners(a, b);
}

static bool is_of_program(const struct programs *programs, const void *a, const void *b)
{
	const struct fact_owner *x = a, *y = b;

	return !programs->compare(programs, a, b) && !memcmp(x->comm, y->comm, sizeof(x->comm));
}

/* Returns how many of @count items, at least one, belong to the process of the first. */
static size_t count_of_process(const void *const *items, size_t count)
{
	size_t n = 1;

	while (n < count && !finder_compare_owners(items[0], items[n]))
		n++;
	return n;
}

/* Returns how many processes of a program have enough to be reported by themselves. */
static size_t count_large(const struct programs *programs, const void *const *group, size_t count)
{
	size_t large = 0;

	for (size_t i = 0, n; i < count; i += n) {
		n = count_of_process(group + i, count - i);
		large += programs->weigh(programs, group + i, n) >= programs->least.alone;
	}
	return large;
}

/* Reports the processes of one name by themselves or, if each has few items, together. */
static void found_program(const struct programs *programs, const void **group, size_t count)
{
	size_t few = 0;

	if (count_large(programs, group, count) > ONE_BY_ONE) {
		programs->found(programs, group, count);
		return;
	}
	for (size_t i = 0, n; i < count; i += n) {
		n = count_of_process(group + i, count - i);
		if (programs->weigh(programs, group + i, n) >= programs->least.alone) {
			programs->found(programs, group + i, n);
			continue;
		}
		memmove(group + few, group + i, n * sizeof(*group));
		few += n;
	}
	if (few && programs->weigh(programs, group, few) >= programs->least.all)
		programs->found(programs, group, few);
}

static void find_programs(const struct programs *programs)
{
	const void **items = programs->items;

	sorted = programs;
	qsort(items, programs->count, sizeof(*items), compare_items);
	for (size_t i = 0, n; i < programs->count; i += n) {
		n = 1;
		while (i + n < programs->count && is_of_program(programs, items[i], items[i + n]))
			n++;
		found_program(programs, items + i, n);
	}
}

/* ---- Sockets by program ---- */

static int compare_sockets(const struct programs *programs, const void *a, const void *b)
{
	return programs->sockets.compare(a, b);
}

static uint64_t weigh_sockets(const struct programs *programs, const void *const *group,
			      size_t count)
{
	const struct fact_socket *const *sockets = (const struct fact_socket *const *)group;

	return programs->least.count ? programs->least.count(sockets, count) :
				       finder_sockets(sockets, count);
}

static void found_sockets(const struct programs *programs, const void *const *group, size_t count)
{
	programs->sockets.found(programs->finder, (const struct fact_socket *const *)group, count);
}

void finder_programs(struct finder *finder, finder_pick *pick, finder_compare *compare,
		     struct finder_least least, finder_found *found)
{
	struct programs programs = {
		.finder = finder,
		.items = (const void **)finder->picked,
		.least = least,
		.compare = compare_sockets,
		.weigh = weigh_sockets,
		.found = found_sockets,
		.sockets = { compare, found },
	};

	for (size_t i = 0; i < finder->facts->socket_count; i++)
		if (pick(finder, &finder->facts->sockets[i]))
			programs.items[programs.count++] = &finder->facts->sockets[i];
	find_programs(&programs);
}

/* ---- Ends of connections by program ---- */

static int compare_ends(const struct programs *programs, const void *a, const void *b)
{
	return programs->ends.compare(a, b);
}

uint64_t finder_ends_count(const struct fact_end *const *group, size_t count)
{
	uint64_t ends = 0;

	for (size_t i = 0; i < count; i++)
		ends += group[i]->count;
	return ends;
}

static uint64_t weigh_ends(const struct programs *programs, const void *const *group, size_t count)
{
	(void)programs;
	return finder_ends_count((const struct fact_end *const *)group, count);
}

static void found_ends(const struct programs *programs, const void *const *group, size_t count)
{
	programs->ends.found(programs->finder, (const struct fact_end *const *)group, count);
}

void finder_ends(struct finder *finder, finder_pick_end *pick, finder_compare_ends *compare,
		 uint64_t least, finder_found_ends *found)
{
	struct programs programs = {
		.finder = finder,
		.items = calloc(finder->facts->end_count + 1, sizeof(*programs.items)),
		.least = { .alone = least, .all = least },
		.compare = compare_ends,
		.weigh = weigh_ends,
		.found = found_ends,
		.ends = { compare, found },
	};

	if (!programs.items) {
		finder->err = -ENOMEM;
		return;
	}
	for (size_t i = 0; i < finder->facts->end_count; i++)
		if (pick(finder, &finder->facts->ends[i]))
			programs.items[programs.count++] = &finder->facts->ends[i];
	find_programs(&programs);
	free(programs.items);
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

/* The items are sockets or ends of connections. */
static void set_owner(struct finding *finding, const void *const *items, size_t count)
{
	const struct fact_owner *owner = items[0];
	uint32_t processes = 1, pid = owner->pid;

	finding->owner = *owner;
	for (size_t i = 1; i < count; i++) {
		owner = items[i];
		processes += owner->pid != pid;
		pid = owner->pid;
	}
	finding->processes = processes > 1 ? processes : 0;
}

void finding_set_owner(struct finding *finding, const struct fact_socket *const *group,
		       size_t count)
{
	set_owner(finding, (const void *const *)group, count);
}

void finding_set_owner_of_ends(struct finding *finding, const struct fact_end *const *group,
			       size_t count)
{
	set_owner(finding, (const void *const *)group, count);
}

void finding_processes(struct finding *finding)
{
	if (finding->processes)
		finding_figure(finding, "processes", finding->processes, FIGURE_COUNT, false);
}
