/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One walk over the table of connections, for all network namespaces at once. An iterator sees one
 * namespace, and goes through the table of the whole host for that. So does a dump of sock_diag.
 *
 * User space runs the walk in stretches, each from the bucket on where the last one stopped.
 * Nothing is locked. The walk goes through a chain twice: it notes the chain's sockets, and if the
 * chain did not change meanwhile, it looks at each of them. The tracepoint tells of a socket that
 * comes to the head of the chain after that.
 *
 * A namespace may have a table of its own (net.ipv4.tcp_child_ehash_entries, 6.1), to which this
 * table does not lead. User space compares what was found with what the namespace counts.
 */
#ifndef TCPDWELL_WALK_BPF_H
#define TCPDWELL_WALK_BPF_H

#include "ehash.bpf.h"
#include "snapshot.bpf.h"

/* Buckets whose heads are read at a time, and the most such reads in a run. */
#define WALK_HEADS     64
#define WALK_STRETCHES 256

/* How often a chain is tried that changes meanwhile. */
#define WALK_TRIES 4

/* These are static, so that the skeleton, which does not know the types, leaves them out. */
static __u64 walk_table;
static __u32 walk_mode; /* enum tcpdwell_walk_for */
static __u64 walk_heads[WALK_HEADS];
static __u32 walk_noted;
static __u64 walk_sockets[TCPDWELL_WALK_CHAIN];

/*
 * What a run of the walk found. A run goes on only while there is room for the sockets of one more
 * chain.
 */
struct tcpdwell_walk walk;

enum walk_verdict {
	WALK_WHOLE,
	WALK_MOVED,
	WALK_TOO_LONG,
};

static __always_inline struct tcpdwell_socket *walk_record(void)
{
	__u32 i = walk.count;

	if (i >= TCPDWELL_WALK_RECORDS)
		return NULL;
	walk.count++;
	return &walk.records[i];
}

static __always_inline bool walk_wants(const struct sock_common *skc)
{
	__u8 state = PEEK(sock_common, skc, skc_state);

	if (walk_mode == TCPDWELL_WALK_ENDS)
		return state != TCP_NEW_SYN_RECV;
	if (state != TCPDWELL_TIME_WAIT)
		return false;
	return !cfg_has_cookie || walk_mode == TCPDWELL_WALK_TIMEWAIT ||
	       !PEEK(sock_common, skc, skc_cookie.counter);
}

/* Notes the socket at @node if it is wanted. Returns where the next one is. */
__noinline __u64 walk_note_one(__u64 node)
{
	const struct sock_common *skc = chain_step(&node);
	__u32 place = walk_noted;

	if (skc && walk_wants(skc) && place < TCPDWELL_WALK_CHAIN) {
		walk_sockets[place] = (__u64)skc;
		walk_noted++;
	}
	return node;
}

/*
 * Notes the sockets of a chain. A socket that moves to another chain would lead the walk into that
 * one, and the end of a chain carries its number, so this shows. A socket that comes back to its
 * own chain comes to the head, which shows as well.
 */
__noinline int walk_note(__u64 address, __u32 number)
{
	const struct inet_ehash_bucket *bucket = (const struct inet_ehash_bucket *)address;
	__u64 first = chain_first(bucket), node = first;

	walk_noted = 0;
	for (int i = 0; i < TCPDWELL_WALK_CHAIN && !chain_is_over(node); i++)
		node = walk_note_one(node);
	if (!chain_is_over(node))
		return WALK_TOO_LONG;
	return node == ((__u64)number << 1 | 1) && chain_first(bucket) == first ? WALK_WHOLE :
										  WALK_MOVED;
}

/* Records the ends of a socket, and how long a timewait socket has left. */
static __always_inline void walk_ends(const struct sock_common *skc)
{
	const struct inet_timewait_sock *tw = (const struct inet_timewait_sock *)skc;
	struct tcpdwell_socket *record = walk_record();
	struct endpoint e;

	if (!record)
		return;
	endpoint_fill(&e, skc, false, true);
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = TCPDWELL_SOCKET;
	record->size = sizeof(*record);
	record->state = PEEK(sock_common, skc, skc_state);
	record->family = e.family;
	record->netns = e.netns;
	record->scope = PEEK(sock_common, skc, skc_bound_dev_if);
	record->lport = e.lport;
	record->rport = e.rport;
	__builtin_memcpy(record->laddr, e.laddr, sizeof(record->laddr));
	__builtin_memcpy(record->raddr, e.raddr, sizeof(record->raddr));
	if (record->state != TCPDWELL_TIME_WAIT)
		return;
	record->state = PEEK(inet_timewait_sock, tw, tw_substate);
	record->detail.timer = TCPDWELL_TIMER_TIMEWAIT;
	record->detail.expires_ns = left_ns(PEEK(inet_timewait_sock, tw, tw_timer.expires),
					    bpf_ktime_get_ns());
}

/*
 * Records a timewait socket as the iterator over sockets does. It is counted whether it is wanted
 * or not.
 */
static __always_inline void walk_timewait(const struct inet_timewait_sock *tw)
{
	__u64 key = tw_key(tw);
	const struct net *net = PEEK(sock_common, &tw->__tw_common, skc_net.net);
	struct tcpdwell_namespace *n;
	struct tcpdwell_socket *record;

	if (!key)
		return; /* nothing could give it a key: it counts as not found */
	n = namespace_here(PEEK(net, net, ns.inum));
	if (n)
		n->timewait++;
	if (!snapshot_tw((__u64)tw, key))
		return;
	record = walk_record();
	if (record)
		*record = snapshot_record;
}

/* Looks at a socket that was noted. Its memory may be another's meanwhile, in another chain. */
__noinline int walk_socket(__u64 address, __u32 number)
{
	const struct sock_common *skc = (const struct sock_common *)address;

	if ((PEEK(sock_common, skc, skc_hash) & (walk.buckets - 1)) != number || !walk_wants(skc))
		return 0;
	if (walk_mode == TCPDWELL_WALK_TIMEWAIT)
		walk_timewait((const struct inet_timewait_sock *)address);
	else
		walk_ends(skc);
	return 0;
}

static __always_inline bool walk_has_room(void)
{
	return walk.count + TCPDWELL_WALK_CHAIN <= TCPDWELL_WALK_RECORDS;
}

/*
 * Walks through one chain, whose head is among walk_heads. Returns 1 instead if there is no room
 * for what it may have.
 */
__noinline int walk_chain(__u32 number)
{
	__u64 bucket = walk_table + number * sizeof(__u64);
	int verdict = WALK_MOVED;

	if (chain_is_over(walk_heads[number % WALK_HEADS]))
		return 0;
	if (!walk_has_room())
		return 1;
	for (int i = 0; i < WALK_TRIES && verdict == WALK_MOVED; i++)
		verdict = walk_note(bucket, number);
	if (verdict != WALK_WHOLE)
		walk.broken++;
	for (__u32 i = 0; i < TCPDWELL_WALK_CHAIN && i < walk_noted; i++)
		walk_socket(walk_sockets[i], number);
	return 0;
}

/*
 * Walks through some buckets from walk.next on. Most are empty, and to read many heads costs as
 * much as to read one. The reads begin at multiples of WALK_HEADS, because memory beyond the end of
 * the table may not be readable. Returns whether there is more to walk through, and room.
 */
__noinline int walk_stretch(void)
{
	__u32 number = walk.next;
	__u32 end = number - number % WALK_HEADS + WALK_HEADS;

	if (bpf_probe_read_kernel(walk_heads, sizeof(walk_heads),
				  (void *)(walk_table + (end - WALK_HEADS) * sizeof(__u64))))
		walk.broken++;
	if (end > walk.buckets)
		end = walk.buckets;
	for (int i = 0; i < WALK_HEADS && number < end; i++, number++)
		if (walk_chain(number))
			break;
	walk.next = number;
	return number < walk.buckets && walk_has_room();
}

/*
 * Finds the table of the process that runs the walk. Its number of chain heads is a power of two.
 */
static __always_inline bool walk_find_table(void)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	const struct net *net = BPF_CORE_READ(task, nsproxy, net_ns);
	const struct inet_hashinfo *table;

	walk.buckets = 0;
	if (!bpf_core_field_exists(net->ipv4.tcp_death_row.hashinfo) ||
	    bpf_core_type_size(struct inet_ehash_bucket) != sizeof(__u64))
		return false;
	table = PEEK(net, net, ipv4.tcp_death_row.hashinfo);
	walk_table = (__u64)PEEK(inet_hashinfo, table, ehash);
	if (walk_table)
		walk.buckets = PEEK(inet_hashinfo, table, ehash_mask) + 1;
	return walk.buckets;
}

/* One run, from bucket @begin on. */
static __always_inline int walk_run(__u64 begin, __u64 mode)
{
	walk.count = 0;
	walk.broken = 0;
	walk.next = begin;
	walk_mode = mode;
	if (!walk_find_table())
		return 0;
	for (int i = 0; i < WALK_STRETCHES && begin < walk.buckets; i++)
		if (!walk_stretch())
			break;
	return 0;
}

#endif /* TCPDWELL_WALK_BPF_H */
