// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "base/fnv.h"
#include "cli/filters.h"
#include "model/gather_inside.h"

int gather_list_add(struct list *list, const void *item)
{
	if (list->count == list->room) {
		size_t room = list->room ? list->room * 2 : 64;
		void *items = reallocarray(list->items, room, list->size);

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->room = room;
	}
	memcpy((char *)list->items + list->count++ * list->size, item, list->size);
	return 0;
}

struct gather *gather_new(void)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->memory = (struct fact_memory){ FACT_UNKNOWN, FACT_UNKNOWN };
	g->sockets.size = sizeof(struct fact_socket);
	g->requests.size = sizeof(struct request);
	g->ends.size = sizeof(struct fact_end);
	g->failures.size = sizeof(struct fact_failure);
	g->sums.size = sizeof(struct fact_sum);
	g->processes.size = sizeof(struct fact_process);
	g->holders.size = sizeof(struct fact_holder);
	g->cookies.size = sizeof(struct fact_cookies);
	g->first.size = sizeof(struct gather_netns);
	g->drops.size = sizeof(struct first_drops);
	g->last.size = sizeof(struct gather_netns);
	g->namespaces.size = sizeof(struct fact_netns);
	return g;
}

void gather_free(struct gather *g)
{
	if (!g)
		return;
	free(g->sockets.items);
	digest_free(g->digest);
	free(g->requests.items);
	keys_release(&g->listeners);
	free(g->ends.items);
	free(g->failures.items);
	free(g->sums.items);
	free(g->processes.items);
	free(g->process_slots.items);
	free(g->holders.items);
	free(g->cookies.items);
	free(g->first.items);
	free(g->drops.items);
	free(g->last.items);
	free(g->namespaces.items);
	free(g);
}

void gather_look(struct gather *g)
{
	g->looks++;
	g->namespaces.count = 0;
	g->failures.count = 0;
	g->last.count = 0;
}

static void list_release(struct list *list)
{
	free(list->items);
	*list = (struct list){ .size = list->size };
}

int gather_settle(struct gather *g)
{
	struct list first = g->first;
	int err = 0;

	g->first = g->last;
	g->last = first;
	g->last.count = 0;
	g->drops.count = 0;
	for (size_t i = 0; i < g->taken_count && !err; i++)
		if (g->taken[i].state == TCPDWELL_LISTEN)
			err = gather_drops(g, g->taken[i].cookie, g->taken[i].drops);
	g->ends.count = 0;
	list_release(&g->sums);
	g->cookies.count = 0;
	memset(g->end_index, 0, sizeof(g->end_index));
	g->taken_count = 0;
	list_release(&g->sockets);
	digest_free(g->digest);
	g->digest = NULL;
	list_release(&g->requests);
	return err;
}

/* ---- Namespaces ---- */

static const struct gather_netns *first_of(const struct gather *g, uint32_t inode)
{
	const struct gather_netns *first = g->first.items;

	for (size_t i = 0; i < g->first.count; i++)
		if (first[i].inode == inode)
			return &first[i];
	return NULL;
}

int gather_netns(struct gather *g, const struct gather_netns *netns)
{
	const struct gather_netns *before = first_of(g, netns->inode);
	struct fact_netns fact = {
		.inode = netns->inode,
		.own = netns->own,
		.orphans = netns->orphans,
	};

	/* A namespace that is new has counted from 0. */
	if (!before && g->looks == 1)
		return gather_list_add(&g->first, netns) ?: gather_netns(g, netns);
	if (gather_list_add(&g->last, netns))
		return -ENOMEM;
	memcpy(fact.name, netns->name, sizeof(fact.name));
	memcpy(fact.settings, netns->settings, sizeof(fact.settings));
	for (unsigned int i = 0; i < FACT_COUNTERS; i++) {
		uint64_t past = before ? before->counters[i] : 0;

		if (netns->counters[i] != FACT_UNKNOWN && past != FACT_UNKNOWN &&
		    netns->counters[i] > past)
			fact.grew[i] = netns->counters[i] - past;
	}
	return gather_list_add(&g->namespaces, &fact);
}

void gather_memory(struct gather *g, uint64_t pages, uint64_t pressure_pages)
{
	g->memory = (struct fact_memory){ pages, pressure_pages };
}

const struct fact_netns *gather_namespaces(const struct gather *g, size_t *count)
{
	*count = g->namespaces.count;
	return g->namespaces.items;
}

/* ---- Processes and listeners ---- */

/* Returns the slot that @pid has or would have. There must be a free slot. */
static uint32_t *process_slot(const struct gather *g, uint32_t pid)
{
	const struct fact_process *processes = g->processes.items;
	size_t slot = fnv32(FNV32_BEGIN, &pid, sizeof(pid));

	for (;; slot++) {
		uint32_t *at = &g->process_slots.items[slot & (g->process_slots.count - 1)];

		if (!*at || processes[*at - 1].owner.pid == pid)
			return at;
	}
}

static int grow_process_slots(struct gather *g)
{
	const struct fact_process *processes = g->processes.items;
	size_t count = g->process_slots.count ? g->process_slots.count * 2 : 256;
	uint32_t *items = calloc(count, sizeof(*items));

	if (!items)
		return -ENOMEM;
	free(g->process_slots.items);
	g->process_slots = (struct slots){ items, count };
	for (size_t i = 0; i < g->processes.count; i++)
		*process_slot(g, processes[i].owner.pid) = i + 1;
	return 0;
}

int gather_holder(struct gather *g, uint32_t pid, const char *comm)
{
	struct fact_process *processes = g->processes.items,
			    fresh = { .owner.pid = pid, .sockets = 1 };
	uint32_t *slot;

	if (g->processes.count * 2 >= g->process_slots.count && grow_process_slots(g))
		return -ENOMEM;
	slot = process_slot(g, pid);
	if (*slot) {
		processes[*slot - 1].sockets++;
		return 0;
	}
	memcpy(fresh.owner.comm, comm, sizeof(fresh.owner.comm));
	*slot = g->processes.count + 1;
	return gather_list_add(&g->processes, &fresh);
}

struct fact_process *gather_processes(struct gather *g, size_t *count)
{
	*count = g->processes.count;
	return g->processes.items;
}

static bool is_same_address(const struct fact_address *a, const struct fact_address *b)
{
	return a->netns == b->netns && a->family == b->family && a->lport == b->lport &&
	       !memcmp(a->laddr, b->laddr, sizeof(a->laddr));
}

int gather_cookies(struct gather *g, const struct tcpdwell_cookies *cookies)
{
	const struct fact_cookies *known = g->cookies.items;
	struct fact_cookies fact = {
		.owner.pid = cookies->pid,
		.at = { .netns = cookies->netns,
			.family = cookies->family,
			.lport = cookies->lport },
	};

	memcpy(fact.at.laddr, cookies->laddr, sizeof(fact.at.laddr));
	memcpy(fact.owner.comm, cookies->comm, sizeof(fact.owner.comm));
	for (size_t i = 0; i < g->cookies.count; i++)
		if (is_same_address(&known[i].at, &fact.at))
			return 0;
	return gather_list_add(&g->cookies, &fact);
}

void gather_digest(struct gather *g, uint64_t leak_ns)
{
	g->digest_leak_ns = leak_ns ?: 1;
}

void gather_narrow(struct gather *g, const struct filters *filters)
{
	g->filters = filters;
}

uint64_t gather_lost(const struct gather *g)
{
	return g->lost + (g->digest ? digest_lost(g->digest) : 0);
}

/* ---- The facts ---- */

void gather_begin(struct gather *g, uint64_t now_ns)
{
	g->now_ns = now_ns;
	g->sockets.count = 0;
	digest_free(g->digest);
	g->digest = g->digest_leak_ns ? digest_new(g->digest_leak_ns) : NULL;
	g->requests.count = 0;
	g->processes.count = 0;
	g->holders.count = 0;
	g->narrowed = false;
	free(g->process_slots.items);
	g->process_slots = (struct slots){};
}

static bool is_listed(const struct gather *g, size_t from, uint32_t pid)
{
	const struct fact_holder *holders = g->holders.items;

	for (size_t i = from; i < g->holders.count; i++)
		if (holders[i].owner.pid == pid)
			return true;
	return false;
}

/* Notes each process that might accept what waits at a listener, once. */
static int note_accepters(struct gather *g, const struct sockets *sockets,
			  const struct socket_seen *seen)
{
	const struct socket_holder *holder = sockets_first_holder(sockets, seen);
	size_t before = g->holders.count;
	int err = 0;

	for (; holder && !err; holder = sockets_next_holder(sockets, holder)) {
		struct fact_holder fact = { .listener = seen->info.key, .owner.pid = holder->pid };

		if (is_listed(g, before, holder->pid))
			continue;
		memcpy(fact.owner.comm, holder->comm, sizeof(fact.owner.comm));
		err = gather_list_add(&g->holders, &fact);
		if (!err && holder->pid != seen->info.pid)
			err = gather_holder(g, holder->pid, holder->comm);
	}
	return err;
}

/* Notes who holds the socket that was added last, which its record does not tell. */
static int note_holders(struct gather *g, const struct sockets *sockets,
			const struct socket_seen *seen)
{
	struct fact_socket *facts = g->sockets.items;
	struct fact_socket *fact = &facts[g->sockets.count - 1];

	fact->holders = seen->holders;
	return fact->state == TCPDWELL_LISTEN && fact->waiting ? note_accepters(g, sockets, seen) :
								 0;
}

static int compare_holders(const void *left, const void *right)
{
	const struct fact_holder *a = left, *b = right;

	return compare(a->listener, b->listener) ?: compare(a->owner.pid, b->owner.pid);
}

/* If no state is asked for, bound sockets in CLOSE are included, too. */
static struct filters filters_of(const struct gather *g)
{
	struct filters filters = {};

	if (g->filters)
		filters = *g->filters;
	if (!filters.either)
		filters.either = ~0;
	return filters;
}

/* Adds all sockets. It notes the listeners first, whether or not the filters want them. */
static int add_all(struct gather *g, const struct sockets *sockets)
{
	const struct filters filters = filters_of(g);
	int err = 0;

	for (size_t i = 0; i < sockets_count(sockets) && !err; i++)
		if (sockets_at(sockets, i)->info.state == TCPDWELL_LISTEN)
			err = gather_note_listener(g, &sockets_at(sockets, i)->info);
	for (size_t i = 0; i < sockets_count(sockets) && !err; i++) {
		const struct socket_seen *seen = sockets_at(sockets, i);
		size_t before = g->sockets.count;
		bool wanted;

		if (seen->info.pid)
			err = gather_holder(g, seen->info.pid, seen->info.comm);
		wanted = sockets_wanted(sockets, seen, &filters);
		g->narrowed |= !wanted;
		if (!err && (seen->info.state == TCPDWELL_SYN_RECV || wanted))
			err = gather_socket(g, &seen->info);
		if (!err && g->sockets.count > before)
			err = note_holders(g, sockets, seen);
	}
	return err;
}

int gather_facts(struct gather *g, const struct sockets *sockets, uint64_t now_ns, uint64_t span_ns,
		 uint64_t leak_ns, struct facts *facts)
{
	gather_begin(g, now_ns);
	return add_all(g, sockets) ?: gather_take(g, span_ns, leak_ns, facts);
}

int gather_take(struct gather *g, uint64_t span_ns, uint64_t leak_ns, struct facts *facts)
{
	int err;

	g->taken = g->sockets.items;
	g->taken_count = g->sockets.count;
	if (g->digest)
		g->taken = digest_sockets(g->digest, &g->taken_count);
	err = gather_forget_listeners(g);
	if (err)
		return err;
	if (g->holders.count)
		qsort(g->holders.items, g->holders.count, g->holders.size, compare_holders);
	gather_count_requests(g);
	*facts = (struct facts){
		.span_ns = span_ns,
		.now_ns = g->now_ns,
		.sockets = g->taken,
		.socket_count = g->taken_count,
		.held = g->digest ? digest_held(g->digest) : NULL,
		.failures = g->failures.items,
		.failure_count = g->failures.count,
		.ends = g->ends.items,
		.end_count = g->ends.count,
		.sums = g->sums.items,
		.sum_count = g->sums.count,
		.namespaces = g->namespaces.items,
		.netns_count = g->namespaces.count,
		.processes = g->processes.items,
		.process_count = g->processes.count,
		.holders = g->holders.items,
		.holder_count = g->holders.count,
		.cookies = g->cookies.items,
		.cookies_count = g->cookies.count,
		.memory = g->memory,
		.narrowed = g->narrowed,
		.leak_ns = leak_ns,
	};
	return 0;
}
