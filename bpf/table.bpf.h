/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hash tables of connections: one at first, and larger ones once it is full.
 *
 * The kernel reserves a hash map's buckets for as many elements as it may ever hold. So user space
 * keeps one table ready beyond the one that is being filled. When it is told that this one is in
 * use, it makes the next (user/kernel/tables.c). A connection stays in the table that it was put
 * into.
 */
#ifndef TCPDWELL_TABLE_BPF_H
#define TCPDWELL_TABLE_BPF_H

#include "config.bpf.h"
#include "maps.bpf.h"

/*
 * Connections by their key: the socket cookie, or the socket's address where the kernel has no
 * helper for the cookie. Elements are not allocated in advance, but buckets are. So tables are
 * small at first, and user space makes larger ones as they are needed.
 */
struct table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct lifecycle);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TCPDWELL_TABLES);
	__type(key, __u32);
	__array(values, struct table);
} connections SEC(".maps");

/*
 * What connections in the tables did so far, by the same key. There are as many of these tables,
 * each as large as its counterpart (life.bpf.h).
 */
struct lives {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct tcpdwell_life);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TCPDWELL_TABLES);
	__type(key, __u32);
	__array(values, struct lives);
} lives SEC(".maps");

static __always_inline void *table_at(__u32 number)
{
	if (!cfg_remember)
		return NULL;
	return bpf_map_lookup_elem(&connections, &number);
}

/* Returns the table of lives that has the same number, and so the same size. */
static __always_inline void *lives_at(__u32 number)
{
	return cfg_life ? bpf_map_lookup_elem(&lives, &number) : NULL;
}

static __always_inline int table_search(__u64 key, __u32 forget, const bool of_lives)
{
	__u32 number = tables.current, step;
	void *table;

	/*
	 * The table where new connections go is searched first, then the others from the largest
	 * on, as that has most connections.
	 */
	for (step = 0; step <= TCPDWELL_TABLES; step++) {
		table = of_lives ? lives_at(number) : table_at(number);
		if (table && bpf_map_lookup_elem(table, &key))
			break;
		number = TCPDWELL_TABLES - 1 - step;
	}
	if (step > TCPDWELL_TABLES)
		return -ENOENT;
	if (!forget)
		return number;
	/* If another CPU is first, it is no more there. */
	table = of_lives ? lives_at(number) : table_at(number);
	return table && !bpf_map_delete_elem(table, &key) ? (int)number : -ENOENT;
}

/*
 * Returns the number of the table that has @key; -ENOENT: none. With @forget, also deletes the
 * element. This function and the next ones are global, so the verifier looks at each once, not at
 * each call.
 */
__noinline int table_of(__u64 key, __u32 forget)
{
	return table_search(key, forget, false);
}

/* Returns the table of lives that has @key, as table_of() does for connections. */
__noinline int life_table_of(__u64 key, __u32 forget)
{
	return cfg_life ? table_search(key, forget, true) : -ENOENT;
}

/*
 * How long no table is asked for room after all were found full. Each table takes a lock to refuse,
 * and a connection that is not remembered asks at each of its transitions.
 */
#define TABLES_FULL_NS 1000000ULL

/*
 * The table that is being filled is full. From here on, the largest of the tables that have room is
 * filled. The reserve table always has room, and whoever makes the next one is told that it is in
 * use.
 */
__noinline int table_turn(void)
{
	static const struct lifecycle nothing;
	__u64 nobody = 0; /* no connection has this key */
	bool full = true;

	for (__u32 step = 1; step <= TCPDWELL_TABLES; step++) {
		__u32 number = TCPDWELL_TABLES - step;
		void *table = table_at(number);

		if (!table || bpf_map_update_elem(table, &nobody, &nothing, BPF_ANY))
			continue;
		bpf_map_delete_elem(table, &nobody);
		tables.spread = 1;
		tables.current = number;
		full = false;
		break;
	}
	if (full)
		tables.full_ns = bpf_ktime_get_ns();
	doorbell_ring();
	return 0;
}

/*
 * Sets *@current to the table that is being filled. Returns whether there may be connections in
 * others, too. That is so if the table is not the first one, whether or not this CPU sees yet that
 * spread was set.
 */
static __always_inline bool tables_are_spread(__u32 *current)
{
	*current = tables.current;
	return *current || tables.spread;
}

static __always_inline struct lifecycle *table_find(__u64 key)
{
	__u32 number;
	void *table;

	if (tables_are_spread(&number))
		number = table_of(address_of((const void *)key), false);
	table = table_at(number);
	return table ? bpf_map_lookup_elem(table, &key) : NULL;
}

/* Returns 0, or -ENOENT if another CPU did it before. */
static __always_inline int table_delete(__u64 key)
{
	__u32 number;
	void *table;

	if (tables_are_spread(&number))
		return table_of(address_of((const void *)key), true) < 0 ? -ENOENT : 0;
	table = table_at(number);
	return table ? bpf_map_delete_elem(table, &key) : -ENOENT;
}

/*
 * Inserts a connection. Returns 0, -EEXIST if @how is BPF_NOEXIST and another CPU was first, or
 * -E2BIG if no table has room. With @fresh, nothing can be known under @key.
 *
 * Errors of maps are int here: until 6.3 the kernel's functions return int, and the upper half of a
 * long may hold anything.
 */
static __always_inline int table_insert(__u64 key, const struct lifecycle *l, __u64 how, bool fresh)
{
	__u32 number;
	void *table;
	int err;

	if (tables_are_spread(&number) && !fresh &&
	    table_of(address_of((const void *)key), how == BPF_ANY) >= 0 && how == BPF_NOEXIST)
		return -EEXIST;
	table = table_at(number);
	err = table ? bpf_map_update_elem(table, &key, l, how) : -E2BIG;
	if (err != -E2BIG || bpf_ktime_get_ns() - tables.full_ns < TABLES_FULL_NS)
		return err;
	table_turn();
	table = table_at(tables.current);
	return table ? bpf_map_update_elem(table, &key, l, how) : -E2BIG;
}

#endif /* TCPDWELL_TABLE_BPF_H */
