/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What connections have carried, added to the sums of their groups for `export`.
 *
 * A connection's numbers are added when its full socket closes. While it is open, they are added
 * when an iterator finds it. The amount that was added is kept as long as the connection is open,
 * so that nothing is added twice: the program that raises the amount adds the difference.
 *
 * A socket may close while an iterator looks at it for the first time. The program that closes it
 * says so before it looks whether there is an amount. The iterator creates the amount, and marks
 * the connection, before it looks whether the socket closes. So one of the two sees the other. Most
 * connections close before any look, and the mark spares them the search, which would touch memory
 * that is cold.
 */
#ifndef TCPDWELL_CARRIED_BPF_H
#define TCPDWELL_CARRIED_BPF_H

#include "connection.bpf.h"
#include "workspace.bpf.h"

/* How much of a connection's numbers was added. The members are only ever raised. */
struct carried {
	__u64 sent;
	__u64 received;
	__u64 retransmitted; /* segments */
};

/*
 * The amounts, by the key of the connection. The loader makes the map large enough for those that
 * exist, and for as many again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct carried);
} carried SEC(".maps");

static __always_inline struct carried *carried_find(__u64 key)
{
	return cfg_carried ? bpf_map_lookup_elem(&carried, &key) : NULL;
}

/*
 * Returns whether somebody uses the socket, and so may be in the middle of processing the peer's
 * FIN.
 */
static __always_inline bool is_in_use(const struct sock *sk)
{
	__u32 spin = 0;

	bpf_core_read(&spin, sizeof(spin), &sk->sk_lock); /* the first member; 0: it is free */
	return spin || BPF_CORE_READ(sk, sk_lock.owned);
}

/*
 * Reads bytes of data, each counted once, without SYN and FIN. A FIN that came is one of the bytes
 * received, and SOCK_DONE says so a moment later. So without the lock (@locked) the last byte may
 * be a FIN, and is not counted. A retransmitted segment is counted before it is sent.
 */
static __always_inline struct carried carried_read(const struct sock *sk, bool locked)
{
	struct carried now = {
		.received = PEEK(tcp_sock, sk, bytes_received),
		.retransmitted = PEEK(tcp_sock, sk, total_retrans),
	};
	__u64 again = PEEK(tcp_sock, sk, bytes_retrans), sent = PEEK(tcp_sock, sk, bytes_sent);
	bool fin = !locked && is_in_use(sk);

	now.sent = sent > again ? sent - again : 0;
	fin |= PEEK(sock, sk, __sk_common.skc_flags) >> SOCK_DONE & 1;
	if (now.received && fin)
		now.received--;
	return now;
}

#define CARRIED_TRIES 4

/* Raises *@added to @now. Returns by how much. */
static __always_inline __u64 carried_raise(__u64 *added, __u64 now)
{
	for (int i = 0; i < CARRIED_TRIES; i++) {
		__u64 before = *(volatile __u64 *)added;

		if (before >= now)
			return 0;
		if (__sync_val_compare_and_swap(added, before, now) == before)
			return now - before;
	}
	return 0; /* others raised it meanwhile */
}

/* Turns @now into the part of it that is still to be added. */
static __always_inline void carried_take(struct carried *added, struct carried *now)
{
	now->sent = carried_raise(&added->sent, now->sent);
	now->received = carried_raise(&added->received, now->received);
	now->retransmitted = carried_raise(&added->retransmitted, now->retransmitted);
}

static __always_inline void carried_add(const struct carried *more, const struct endpoint *e,
					const struct lifecycle *l)
{
	struct tcpdwell_stat_key key = { .state = TCPDWELL_STAT_CARRIED };
	struct tcpdwell_stat *stat;

	if (!more->sent && !more->received && !more->retransmitted)
		return;
	stat_key_group(&key, e, l);
	key.cpu = bpf_get_smp_processor_id();
	stat = stat_element(&key);
	if (!stat) {
		count(&carried_lost);
		return;
	}
	__sync_fetch_and_add(&stat->counts[TCPDWELL_CARRIED_SENT], more->sent);
	__sync_fetch_and_add(&stat->counts[TCPDWELL_CARRIED_RECEIVED], more->received);
	__sync_fetch_and_add(&stat->counts[TCPDWELL_CARRIED_AGAIN], more->retransmitted);
}

/*
 * The full socket @sk closes. If the connection was there before the tracer, it counts only if the
 * amount that it had carried by then was noted. The function is not inlined, to spare its caller's
 * stack, and static, so that it takes typed pointers.
 */
static __noinline int carried_ends(const struct sock *sk, const struct endpoint *e,
				   struct lifecycle *l, __u64 key)
{
	struct carried now = carried_read(sk, true), *added;

	if (!owner_wanted(l))
		return 0;
	if (!(l->marks & LIFECYCLE_TW))
		*(volatile __u8 *)&l->state = TCPDWELL_CLOSE;
	if (cfg_carried)
		order_full(true);
	added = *(volatile __u32 *)&l->waits & LIFECYCLE_CARRIED ? carried_find(key) : NULL;
	if (added)
		carried_take(added, &now);
	else if (l->waits & LIFECYCLE_OLD)
		return 0;
	carried_add(&now, e, l);
	if (added)
		bpf_map_delete_elem(&carried, &key);
	return 0;
}

/* Adds all that a connection carried: before 5.12 nothing was added while it was open. */
static __noinline int carried_ends_v511(const struct sock *sk, const struct endpoint *e,
					struct lifecycle *l)
{
	struct carried now = carried_read(sk, true);

	if (owner_wanted(l) && !(l->waits & LIFECYCLE_OLD))
		carried_add(&now, e, l);
	return 0;
}

/* An iterator has found the full socket @sk open. */
static __noinline int carried_found(const struct sock *sk, const struct endpoint *e,
				    struct lifecycle *l, __u64 key)
{
	struct carried now = carried_read(sk, false), *added;
	static const struct carried nothing;
	bool is_old = l->waits & LIFECYCLE_OLD;

	if (l->marks & LIFECYCLE_TW || !owner_wanted(l))
		return 0;
	added = carried_find(key);
	if (!added) {
		bpf_map_update_elem(&carried, &key, is_old ? &now : &nothing, BPF_NOEXIST);
		added = carried_find(key);
		if (!added)
			return 0;
		if (!(l->waits & LIFECYCLE_CARRIED)) /* not an atomic or, which 5.10 has not */
			__sync_fetch_and_add(&l->waits, LIFECYCLE_CARRIED);
		if (is_old)
			return 0;
		order_full(true);
		if (*(volatile __u8 *)&l->state == TCPDWELL_CLOSE || l->marks & LIFECYCLE_TW) {
			bpf_map_delete_elem(&carried, &key);
			return 0;
		}
	}
	carried_take(added, &now);
	carried_add(&now, e, l);
	return 0;
}

/* Sums what the connection carried. Before 5.12 nothing was summed while it was open. */
static __always_inline void transition_carried(const struct transition *t, struct lifecycle *l,
					       const bool atomic)
{
	if (atomic)
		carried_ends(t->sk, t->e, l, t->key);
	else
		carried_ends_v511(t->sk, t->e, l);
}

#endif /* TCPDWELL_CARRIED_BPF_H */
