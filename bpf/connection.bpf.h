/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections between two transitions: remembering, looking up and forgetting them, and their rows
 * that wait.
 *
 * Transitions of one socket never overlap, because the kernel makes them under the socket's lock.
 * Two things can meet a transition on another CPU: accept(), which comes without that lock, and the
 * reader's tick. Both touch only the owner and the waiting rows. Whoever takes the bit of a waiting
 * row emits that row.
 */
#ifndef TCPDWELL_CONNECTION_BPF_H
#define TCPDWELL_CONNECTION_BPF_H

#include "life.bpf.h"

/*
 * The stacks of connect() and accept(), by the key that the connection has in the tables of
 * connections. An element lives as long as the connection does there.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct tcpdwell_stack);
} stacks SEC(".maps");

static __always_inline struct lifecycle *connection_find_inline(__u64 key)
{
	return recent_find(key) ?: table_find(key);
}

/*
 * The same, and sets *@life to what was summed of the connection if that stands beside it; else to
 * NULL.
 */
static __always_inline struct lifecycle *connection_find_with_life(__u64 key,
								   struct tcpdwell_life **life)
{
	struct lifecycle *l = recent_find(key);

	*life = cfg_life && l ? &((struct slot *)l)->life : NULL;
	return l ?: table_find(key);
}

/*
 * This function and the next are not inlined, because many places call them. A caller that has no
 * stack left for a call, such as request_outlasts(), uses connection_find_inline() instead; 5.10
 * gives 512 bytes to a whole chain of calls.
 */
static __noinline struct lifecycle *connection_find(__u64 key)
{
	return connection_find_inline(key);
}

static __noinline void connection_forget(__u64 key)
{
	if (!recent_forget(key)) {
		table_delete(key);
		life_forget(key);
	}
	if (cfg_stacks)
		bpf_map_delete_elem(&stacks, &key);
}

/*
 * Returns an identity for kernels that give no cookie. It differs from every cookie, and a double
 * holds it exactly, as readers of JSON need. It is made of the CPU and the time in units of 16 ns,
 * of which 40 bits last five hours.
 */
#define IDENTITY_OWN (1ULL << 52)

static __always_inline __u64 identity_new(void)
{
	return IDENTITY_OWN | (__u64)bpf_get_smp_processor_id() << 40 |
	       (bpf_ktime_get_ns() >> 4 & ((1ULL << 40) - 1));
}

/* Returns a connection of which only the socket that it lives on is known. */
static __always_inline struct lifecycle connection_new(const void *object, __u64 key, __u32 uid)
{
	return (struct lifecycle){
		.id = cfg_has_cookie ? key : identity_new(),
		.object = (__u64)object,
		.sock = cfg_life ? (__u64)object : 0,
		.uid = uid,
	};
}

/*
 * Remembers a connection. Returns 0, or -EEXIST if @how is BPF_NOEXIST and another CPU was first.
 * BPF_ANY is for a connection that is being born: nobody else can know it, unless a snapshot comes
 * by at that moment. Without @atomic (kernels before 5.12) no connection has a slot.
 */
static __always_inline int connection_remember(struct tcpdwell_counters *c, __u64 key,
					       const struct lifecycle *l, __u64 how,
					       const bool atomic)
{
	bool fresh = how == BPF_ANY && cfg_has_cookie && l->id == key && !shared.scanning;
	int err;

	if (atomic && fresh && recent_put(key, l))
		return 0;
	err = table_insert(key, l, how, fresh);
	if (err && err != -EEXIST)
		count(&c->untracked);
	return err;
}

/*
 * Takes the bits of @mask from the rows that wait. Returns those that were set, which the caller,
 * and nobody else, must emit. Without @atomic (kernels before 5.12 have no exchange) a transition
 * and an accept() of one socket within the same few nanoseconds could both take a bit.
 */
static __always_inline __u32 connection_take(struct lifecycle *l, __u32 mask, const bool atomic)
{
	__u32 waits;

	if (atomic)
		return __sync_fetch_and_and(&l->waits, ~mask) & mask;
	waits = l->waits;
	l->waits = waits & ~mask;
	return waits & mask;
}

#endif /* TCPDWELL_CONNECTION_BPF_H */
