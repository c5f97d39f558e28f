/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slots of recent sockets' connections, in front of the tables of connections. */
#ifndef TCPDWELL_RECENT_BPF_H
#define TCPDWELL_RECENT_BPF_H

#include "config.bpf.h"
#include "order.bpf.h"

/*
 * Slots for the connections of recent sockets, which are looked at before the tables. The low bits
 * of the cookie choose the slot. A CPU gives out cookies one after the other, so its connections
 * have neighbouring slots. To insert, find or delete one takes no lock, allocates nothing and
 * touches a cache line that was just used. A connection whose slot is taken goes into a table.
 *
 * The flag that lets user space map the array is set for one reason: the kernel then lets the
 * values begin at a page, so that each slot is exactly one cache line. Nobody maps it.
 */
struct slots {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, TCPDWELL_RECENT_SLOTS);
	__type(key, __u32);
	__type(value, struct lifecycle);
};

/* Where lives are summed, the loader makes slots larger, and the sum follows the connection. */
struct slot {
	struct lifecycle l;
	struct tcpdwell_life life;
};

/*
 * The part of a life that is summed from the beginning, one cache line. Until the end, the rest is
 * not touched: the dwell of TIME_WAIT is known only then, as that is a connection's last state.
 */
#define LIFE_SUMS_BYTES __builtin_offsetof(struct tcpdwell_life, dwell_ns[TCPDWELL_LIFE_DWELLS - 1])

_Static_assert(LIFE_SUMS_BYTES == 64, "what is summed is a cache line");

/* User space makes these maps when sockets come that would have a slot in them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, TCPDWELL_RECENT_MAPS);
	__type(key, __u32);
	__array(values, struct slots);
} recent SEC(".maps");

/* Returns the number of the map that has the slot of the connection with @key. */
static __always_inline __u32 recent_number(__u64 key)
{
	return (key & cfg_recent_mask) / TCPDWELL_RECENT_SLOTS;
}

/*
 * Returns the slot of the connection with @key if it is a recent one; NULL: its map is not made
 * yet.
 */
static __always_inline struct lifecycle *recent_slot(__u64 key)
{
	__u32 number = recent_number(key);
	void *slots = cfg_recent ? bpf_map_lookup_elem(&recent, &number) : NULL;
	__u32 slot = (key & cfg_recent_mask) % TCPDWELL_RECENT_SLOTS;

	return slots ? bpf_map_lookup_elem(slots, &slot) : NULL;
}

/*
 * Asks for a map of slots. The first socket that would have a slot there does so, once. Until the
 * map is made, which takes some milliseconds (user/kernel/tables.c), connections go into a table.
 */
__noinline int recent_ask(__u32 number)
{
	if (number >= TCPDWELL_RECENT_MAPS || tables.wanted[number])
		return 0;
	tables.wanted[number] = 1;
	doorbell_ring();
	return 0;
}

/*
 * Returns the connection with @key if it is in its slot; else NULL. One that goes on under the
 * identity of its request is never there. The identity of a free slot is 0, and so is the key of a
 * socket whose cookie nobody has asked for.
 */
static __always_inline struct lifecycle *recent_find(__u64 key)
{
	struct lifecycle *l = cfg_has_cookie && key ? recent_slot(key) : NULL;
	__u64 id;

	if (!l)
		return NULL;
	id = *(volatile __u64 *)&l->id;
	return id == key ? order_after(l, id) : NULL;
}

/* The identity of a slot while it is being filled. */
#define RECENT_CLAIMED ~0ULL

/*
 * Puts @l, whose identity is @key, into its slot. Returns whether the slot was free. The identity
 * says that it is taken, and is stored last, so whoever finds the identity finds everything.
 * Kernels that give cookies have the atomic exchange that this takes; kernels before 5.12 have
 * neither.
 */
static __always_inline bool recent_put(__u64 key, const struct lifecycle *l)
{
	const __u32 rest = __builtin_offsetof(struct lifecycle, opened_ns);
	struct lifecycle *slot = recent_slot(key);
	__u64 before;

	if (!cfg_recent)
		return false;
	if (!slot) {
		recent_ask(recent_number(key));
		return false;
	}
	before = __sync_val_compare_and_swap(&slot->id, 0, RECENT_CLAIMED);
	/*
	 * If the slot has this key already, the end of the connection's last life went by untold.
	 */
	if (before && before != key)
		return false;
	if (cfg_life)
		__builtin_memset(&((struct slot *)slot)->life, 0, LIFE_SUMS_BYTES);
	/* A CPU takes the cookies of a map one by one. Halfway it asks for the next map. */
	if (key % TCPDWELL_RECENT_SLOTS == TCPDWELL_RECENT_SLOTS / 2)
		recent_ask(recent_number(key + TCPDWELL_RECENT_SLOTS));
	slot->since_ns = l->since_ns;
	__builtin_memcpy(&slot->opened_ns, &l->opened_ns, sizeof(*l) - rest);
	order_publish(&slot->id, key);
	return true;
}

/*
 * Frees the slot of @key. Returns whether the connection was there. A caller that has written into
 * the slot asks for order before (order.bpf.h): from here on it may be another's. A caller that
 * has only read the slot need not, because no CPU makes a store that depends on a load before that
 * load is done.
 */
static __always_inline bool recent_forget(__u64 key)
{
	struct lifecycle *l = recent_find(key);

	if (!l)
		return false;
	l->id = 0;
	return true;
}

#endif /* TCPDWELL_RECENT_BPF_H */
