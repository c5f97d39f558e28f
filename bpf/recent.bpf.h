/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The places of recent sockets' connections, in front of the map of connections.
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

static __always_inline __u32 *recent_claims_of(__u64 key)
{
	__u32 place = key & cfg_recent_mask;

	return bpf_map_lookup_elem(&recent_claims, &place);
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
 * Returns NULL if the place is another's. Who finds that it has asked alone has it; of two at the
 * same moment neither may. Compare and swap would do as well, and 5.10 refuses it.
 */
static __always_inline struct lifecycle *recent_claim(__u64 key)
{
	volatile __u32 *claims;
	struct lifecycle *l;

	if (!cfg_has_cookie)
		return NULL;
	claims = recent_claims_of(key);
	l = recent_place(key);
	if (!claims || !l)
		return NULL;
	if (l->id == key)
		return l; /* the end of its last life went by untold */
	if (*claims)
		return NULL;
	__sync_fetch_and_add(claims, 1);
	if (*claims == 1)
		return l;
	__sync_fetch_and_add(claims, -1);
	return NULL;
}

/* Returns whether it was there. */
static __always_inline bool recent_forget(__u64 key)
{
	struct lifecycle *l = recent_find(key);
	__u32 *claims = l ? recent_claims_of(key) : NULL;

	if (!claims)
		return false;
	l->id = 0;
	__sync_fetch_and_add(claims, -1);
	return true;
}

#endif /* TCPDWELL_RECENT_BPF_H */
