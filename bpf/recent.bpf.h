/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The places of recent sockets' connections, in front of the tables of connections.
 */
#ifndef TCPDWELL_RECENT_BPF_H
#define TCPDWELL_RECENT_BPF_H

#include "config.bpf.h"
#include "maps.bpf.h"

/* Where the connection that has @key would be if it was born lately. */
static __always_inline struct lifecycle *recent_place(__u64 key)
{
	__u32 place = key & cfg_recent_mask;

	return bpf_map_lookup_elem(&recent, &place);
}

/*
 * One that goes on under the identity of its request is never there. A free place has no identity,
 * and a socket that nobody asked for its cookie no key.
 */
static __always_inline struct lifecycle *recent_find(__u64 key)
{
	struct lifecycle *l = cfg_has_cookie && key ? recent_place(key) : NULL;

	return l && l->id == key ? l : NULL;
}

/*
 * Returns NULL if the place is another's. Its identity says whose it is. Kernels that give cookies
 * have the exchange that this takes, those that do not (before 5.12) refuse it.
 */
static __always_inline struct lifecycle *recent_claim(__u64 key)
{
	struct lifecycle *l = recent_place(key);
	__u64 before;

	if (!l)
		return NULL;
	before = __sync_val_compare_and_swap(&l->id, 0, key);
	/* Its own already: the end of its last life went by untold. */
	return !before || before == key ? l : NULL;
}

/* Returns whether it was there. */
static __always_inline bool recent_forget(__u64 key)
{
	struct lifecycle *l = recent_find(key);

	if (!l)
		return false;
	l->id = 0;
	return true;
}

#endif /* TCPDWELL_RECENT_BPF_H */
