/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side has summed (include/stat.h), added up over processors and reports, and put
 * into groups. A group has one state, and one process, port or whatever was asked for.
 *
 * Memory is bounded by the number of elements that the table was made for. What finds no room goes
 * to a group of its state that stands for all others, so no row is dropped. Pure. One thread at a
 * time.
 */
#ifndef TCPDWELL_STAT_TABLE_H
#define TCPDWELL_STAT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stat.h"

struct hist;
struct stat_table;

struct stat_group {
	struct tcpdwell_stat_key key; /* without chunk and processor */
	bool others;		      /* all that found no room; key has only the state */
	uint64_t count;		      /* number of dwells that are known */
	uint64_t at_least;	      /* number of lower bounds; they are in no percentile */
	uint64_t at_least_max_ns;
	size_t first; /* index of its first element, for stat_table_hist() */
	size_t elements;
};

/* Returns true if the prefix of @key is an IPv4 one: the last four bytes of the address. */
bool stat_key_is_ipv4(const struct tcpdwell_stat_key *key);

/*
 * Makes a table for @max elements of groups by @by. Returns NULL with errno set. The caller frees
 * it.
 */
struct stat_table *stat_table_new(uint32_t max, enum tcpdwell_stat_by by);

/* NULL-safe. */
void stat_table_free(struct stat_table *table);

void stat_table_clear(struct stat_table *table);

/* Adds an element. Returns 0 or -ENOMEM. */
int stat_table_add(struct stat_table *table, const struct tcpdwell_stat_key *key,
		   const struct tcpdwell_stat *stat);

/* Adds all of @from. Returns 0 or -ENOMEM. */
int stat_table_merge(struct stat_table *into, const struct stat_table *from);

/* Returns the number of rows that an element counts; 0 if other elements count them, too. */
uint64_t stat_element_rows(const struct tcpdwell_stat_key *key, const struct tcpdwell_stat *stat);

/* Returns the number of rows in the table, whatever is known of their dwell. */
uint64_t stat_table_rows(const struct stat_table *table);

/*
 * Sets @groups to the groups, by state in the order of a connection's life, and in each state by
 * number of rows, the most first. They are owned by the table, and valid until it changes. Returns
 * 0 or -ENOMEM.
 */
int stat_table_groups(struct stat_table *table, const struct stat_group **groups, size_t *count);

/* Sets @hist to the dwells of @group, which is one of stat_table_groups(). */
void stat_table_hist(const struct stat_table *table, const struct stat_group *group,
		     struct hist *hist);

/*
 * Returns the name of a state, or of something else that a group is about (enum
 * tcpdwell_stat_state).
 */
const char *stat_state_name(unsigned int state);

#endif /* TCPDWELL_STAT_TABLE_H */
