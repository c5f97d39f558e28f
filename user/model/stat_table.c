// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "base/tcpstate.h"
#include "base/v4mapped.h"
#include "model/hist.h"
#include "model/stat_table.h"

/* A value of cpu that marks the group of all that found no room. */
#define OTHERS 0xffff

/* How many elements that group may take beyond the table's size: each chunk of each state. */
#define OTHERS_MAX (TCPDWELL_STAT_STATES * (TCPDWELL_STAT_CHUNKS + 1))

/* The number of elements that a table begins with; it doubles when it is full. */
#define ELEMENTS_MIN 256

struct element {
	struct tcpdwell_stat_key key;
	struct tcpdwell_stat stat;
};

struct stat_table {
	struct element *elements;
	size_t count;
	size_t room;
	size_t max;
	uint32_t *slots; /* by hash: index of an element plus one; 0: free */
	size_t slot_count;
	struct stat_group *groups;
	uint64_t rows;
	bool names; /* keys contain names of processes */
};

bool stat_key_is_ipv4(const struct tcpdwell_stat_key *key)
{
	return v4mapped_is(key->addr);
}

struct stat_table *stat_table_new(uint32_t max, enum tcpdwell_stat_by by)
{
	struct stat_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->max = max;
	table->names = by == TCPDWELL_BY_PROCESS || by == TCPDWELL_BY_COMM;
	return table;
}

void stat_table_free(struct stat_table *table)
{
	if (!table)
		return;
	free(table->elements);
	free(table->slots);
	free(table->groups);
	free(table);
}

void stat_table_clear(struct stat_table *table)
{
	table->count = 0;
	table->rows = 0;
	if (table->slots)
		memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
}

uint64_t stat_table_rows(const struct stat_table *table)
{
	return table->rows;
}

/*
 * ---- Elements by key ----------------------------------------------------------------------------
 */

static uint64_t hash_of(const struct tcpdwell_stat_key *key)
{
	uint64_t hash = fnv64(FNV64_BEGIN, key, sizeof(*key));

	return hash ^ hash >> 32;
}

/* Returns the slot that @key has or would have. */
static uint32_t *slot_of(const struct stat_table *table, const struct tcpdwell_stat_key *key)
{
	size_t i = hash_of(key) % table->slot_count;

	while (table->slots[i] &&
	       memcmp(&table->elements[table->slots[i] - 1].key, key, sizeof(*key)))
		i = (i + 1) % table->slot_count;
	return &table->slots[i];
}

/* Doubles the room. Half of the slots stay free. */
static int grow(struct stat_table *table)
{
	size_t room = table->room ? table->room * 2 : ELEMENTS_MIN;
	struct element *elements;
	uint32_t *slots;

	elements = realloc(table->elements, room * sizeof(*elements));
	if (!elements)
		return -ENOMEM;
	table->elements = elements;
	slots = calloc(room * 2, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(table->slots);
	table->slots = slots;
	table->slot_count = room * 2;
	table->room = room;
	for (size_t i = 0; i < table->count; i++)
		*slot_of(table, &elements[i].key) = i + 1;
	return 0;
}

static void sum(struct tcpdwell_stat *into, const struct tcpdwell_stat *from)
{
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	for (unsigned int i = 0; i < TCPDWELL_STAT_BUCKETS; i++)
		into->counts[i] += from->counts[i];
}

static uint64_t rows_of(const struct tcpdwell_stat *stat)
{
	uint64_t rows = 0;

	for (unsigned int i = 0; i < TCPDWELL_STAT_BUCKETS; i++)
		rows += stat->counts[i];
	return rows;
}

uint64_t stat_element_rows(const struct tcpdwell_stat_key *key, const struct tcpdwell_stat *stat)
{
	return key->state == TCPDWELL_STAT_HANDSHAKE ? 0 : rows_of(stat);
}

static int add(struct stat_table *table, const struct tcpdwell_stat_key *key,
	       const struct tcpdwell_stat *stat, size_t max)
{
	uint32_t *slot;

	if (table->count == table->room && grow(table))
		return -ENOMEM;
	slot = slot_of(table, key);
	if (!*slot) {
		if (table->count >= max)
			return -ENOSPC;
		table->elements[table->count] = (struct element){ .key = *key };
		*slot = ++table->count;
	}
	sum(&table->elements[*slot - 1].stat, stat);
	table->rows += stat_element_rows(key, stat);
	return 0;
}

static int add_or_others(struct stat_table *table, const struct tcpdwell_stat_key *key,
			 const struct tcpdwell_stat *stat)
{
	const struct tcpdwell_stat_key others = {
		.state = key->state,
		.chunk = key->chunk,
		.cpu = OTHERS,
	};
	int err = add(table, key, stat, table->max);

	return err == -ENOSPC ? add(table, &others, stat, table->max + OTHERS_MAX) : err;
}

int stat_table_add(struct stat_table *table, const struct tcpdwell_stat_key *key,
		   const struct tcpdwell_stat *stat)
{
	struct tcpdwell_stat_key clean = *key;
	int err;

	clean.cpu = 0;
	/*
	 * When the kernel shortens a process's name, it may leave bytes behind the NUL; they are
	 * cleared.
	 */
	if (table->names) {
		size_t len = strnlen(clean.comm, sizeof(clean.comm));

		memset(clean.comm + len, 0, sizeof(clean.comm) - len);
	}
	/* A completed handshake is also a dwell in the state that it left. */
	if (key->state == TCPDWELL_STAT_CONNECTED || key->state == TCPDWELL_STAT_COMPLETED) {
		clean.state = TCPDWELL_STAT_HANDSHAKE;
		err = add_or_others(table, &clean, stat);
		if (err)
			return err;
		clean.state = key->state == TCPDWELL_STAT_CONNECTED ? TCPDWELL_SYN_SENT :
								      TCPDWELL_SYN_RECV;
	}
	return add_or_others(table, &clean, stat);
}

int stat_table_merge(struct stat_table *into, const struct stat_table *from)
{
	int err = 0;

	for (size_t i = 0; i < from->count && !err; i++)
		err = stat_table_add(into, &from->elements[i].key, &from->elements[i].stat);
	return err;
}

/*
 * ---- Groups -------------------------------------------------------------------------------------
 */

const char *stat_state_name(unsigned int state)
{
	switch (state) {
	case TCPDWELL_STAT_HANDSHAKE:
		return "HANDSHAKE";
	case TCPDWELL_STAT_ACCEPT:
		return "ACCEPT";
	default:
		return tcpstate_name(state);
	}
}

/*
 * Returns the rank of the state. HANDSHAKE and ACCEPT, which are timed between SYN_RECV and
 * ESTABLISHED, come between these.
 */
static unsigned int rank_of(const struct tcpdwell_stat_key *key)
{
	switch (key->state) {
	case TCPDWELL_STAT_HANDSHAKE:
		return 4 * tcpstate_rank(TCPDWELL_SYN_RECV) + 1;
	case TCPDWELL_STAT_ACCEPT:
		return 4 * tcpstate_rank(TCPDWELL_SYN_RECV) + 2;
	default:
		return 4 * (tcpstate_rank(key->state) ?: TCPDWELL_STATE_MAX);
	}
}

static int compare_groups(const struct tcpdwell_stat_key *a, const struct tcpdwell_stat_key *b)
{
	if (a->state != b->state)
		return (int)rank_of(a) - (int)rank_of(b);
	if (a->cpu != b->cpu)
		return (int)a->cpu - (int)b->cpu;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return memcmp(a->words, b->words, sizeof(a->words));
}

static int compare_elements(const void *a, const void *b)
{
	const struct element *one = a, *other = b;
	int order = compare_groups(&one->key, &other->key);

	return order ?: (int)one->key.chunk - (int)other->key.chunk;
}

static int compare_fullest(const void *a, const void *b)
{
	const struct stat_group *one = a, *other = b;
	uint64_t rows = one->count + one->at_least, others = other->count + other->at_least;

	if (one->key.state != other->key.state)
		return (int)rank_of(&one->key) - (int)rank_of(&other->key);
	if (one->others != other->others)
		return one->others ? 1 : -1;
	if (rows != others)
		return rows > others ? -1 : 1;
	return compare_groups(&one->key, &other->key);
}

static void group_take(struct stat_group *group, const struct element *element)
{
	uint64_t rows = rows_of(&element->stat);

	group->elements++;
	if (element->key.chunk != TCPDWELL_STAT_AT_LEAST) {
		group->count += rows;
		return;
	}
	group->at_least += rows;
	group->at_least_max_ns = element->stat.max_ns;
}

/* Indexes the elements again, since sorting has moved them. */
static void index_again(struct stat_table *table)
{
	if (!table->slots)
		return;
	memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
	for (size_t i = 0; i < table->count; i++)
		*slot_of(table, &table->elements[i].key) = i + 1;
}

int stat_table_groups(struct stat_table *table, const struct stat_group **groups, size_t *count)
{
	struct stat_group *group = NULL;
	struct stat_group *all = realloc(table->groups, (table->count ?: 1) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	table->groups = all;
	*groups = all;
	*count = 0;
	if (!table->count)
		return 0;
	qsort(table->elements, table->count, sizeof(*table->elements), compare_elements);
	index_again(table);
	for (size_t i = 0; i < table->count; i++) {
		const struct element *element = &table->elements[i];

		if (!group || compare_groups(&group->key, &element->key)) {
			group = &all[(*count)++];
			*group = (struct stat_group){
				.key = element->key,
				.others = element->key.cpu == OTHERS,
				.first = i,
			};
			group->key.chunk = 0;
		}
		group_take(group, element);
	}
	qsort(all, *count, sizeof(*all), compare_fullest);
	return 0;
}

void stat_table_hist(const struct stat_table *table, const struct stat_group *group,
		     struct hist *hist)
{
	memset(hist, 0, sizeof(*hist));
	for (size_t i = group->first; i < group->first + group->elements; i++) {
		const struct element *element = &table->elements[i];
		unsigned int first = element->key.chunk * TCPDWELL_STAT_BUCKETS;

		if (element->key.chunk >= TCPDWELL_STAT_CHUNKS)
			continue;
		for (unsigned int j = 0; j < TCPDWELL_STAT_BUCKETS; j++)
			hist_add_bucket(hist, first + j, element->stat.counts[j]);
		hist_set_max(hist, element->stat.max_ns);
	}
}
