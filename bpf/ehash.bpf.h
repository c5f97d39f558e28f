/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's table of connections (struct inet_hashinfo). It has chains of full sockets, requests
 * and timewait sockets, which change while they are gone through (include/linux/list_nulls.h). Only
 * listeners are not in it.
 */
#ifndef TCPDWELL_EHASH_BPF_H
#define TCPDWELL_EHASH_BPF_H

#include "read.bpf.h"

/*
 * Links of a chain that are looked at for one socket. The socket was put at the head a microsecond
 * ago, so few others can have come since.
 */
#define EHASH_STEPS 16

/* Returns the bucket for this hash in a namespace's table of connections. */
static __always_inline const struct inet_ehash_bucket *ehash_bucket(const struct net *net,
								    __u32 hash)
{
	const struct inet_hashinfo *table = PEEK(net, net, ipv4.tcp_death_row.hashinfo);
	__u32 mask = PEEK(inet_hashinfo, table, ehash_mask);

	return PEEK(inet_hashinfo, table, ehash) + (hash & mask);
}

/* Returns the beginning of a chain, for chain_step(). */
static __always_inline __u64 chain_first(const struct inet_ehash_bucket *bucket)
{
	__u64 node = 0;

	bpf_core_read(&node, sizeof(node), &bucket->chain.first);
	return node;
}

/* Returns whether no socket follows: the end of a chain is odd, and what cannot be read is 0. */
static __always_inline bool chain_is_over(__u64 node)
{
	return !node || node & 1;
}

/*
 * Takes one step along a chain. Returns the socket at @node, and sets @node to the next one. NULL:
 * the chain is over.
 */
static __always_inline const struct sock_common *chain_step(__u64 *node)
{
	const struct sock_common *skc;

	if (chain_is_over(*node))
		return NULL;
	skc = (void *)*node - bpf_core_field_offset(struct sock_common, skc_nulls_node);
	bpf_core_read(node, sizeof(*node), &skc->skc_nulls_node.next);
	return skc;
}

#endif /* TCPDWELL_EHASH_BPF_H */
