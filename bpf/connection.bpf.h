/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections between two transitions: remembered, looked up, forgotten, and their rows that wait.
 *
 * Transitions of one socket never overlap: the kernel makes them under the socket's lock. What can
 * meet a transition on another CPU is accept(), which comes without that lock, and the reader's
 * tick. Both only touch the owner and the waiting rows; who takes a waiting row's bit emits it.
 */
#ifndef TCPDWELL_CONNECTION_BPF_H
#define TCPDWELL_CONNECTION_BPF_H

#include "emit.bpf.h"

/*
 * Errors of maps are int here: until 6.3 the kernel's functions return that, and of the upper half
 * of a long nobody knows what is in it.
 */

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

/* One that goes on under the identity of its request is never there. */
static __always_inline struct lifecycle *recent_find(__u64 key)
{
	struct lifecycle *l = cfg_has_cookie ? recent_place(key) : NULL;

	return l && l->id == key ? l : NULL;
}

/*
 * Returns NULL if the place is another's. Who finds that it has asked alone has it; of two at the
 * same moment neither may. Compare and swap would do as well, and 5.10 refuses it.
 */
static __always_inline struct lifecycle *recent_claim(__u64 key)
{
	volatile __u32 *claims = recent_claims_of(key);
	struct lifecycle *l = recent_place(key);

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

static __always_inline struct lifecycle *connection_find(__u64 key)
{
	return recent_find(key) ?: bpf_map_lookup_elem(&connections, &key);
}

static __always_inline void connection_forget(__u64 key)
{
	if (!recent_forget(key))
		bpf_map_delete_elem(&connections, &key);
	if (cfg_stacks)
		bpf_map_delete_elem(&stacks, &key);
}

/*
 * An identity where the kernel gives no cookie. Apart from all cookies, and exact as a double, as
 * readers of JSON have it: the CPU, and its time in units of 16 ns, of which 40 bits last five
 * hours.
 */
#define IDENTITY_OWN (1ULL << 52)

static __always_inline __u64 identity_new(void)
{
	return IDENTITY_OWN | (__u64)bpf_get_smp_processor_id() << 40 |
	       (bpf_ktime_get_ns() >> 4 & ((1ULL << 40) - 1));
}

/* A connection that nothing is known of yet but the socket that it lives on. */
static __always_inline struct lifecycle connection_new(__u64 key, __u32 uid)
{
	return (struct lifecycle){ .id = cfg_has_cookie ? key : identity_new(), .uid = uid };
}

/*
 * Returns 0, or -EEXIST if @how is BPF_NOEXIST and another CPU was first. BPF_ANY is for who is
 * being born: nobody else can know of it, unless a snapshot comes by at that moment.
 */
static __always_inline int connection_remember(struct tcpdwell_counters *c, __u64 key,
					       const struct lifecycle *l, __u64 how)
{
	struct lifecycle *place;
	int err;

	if (cfg_has_cookie && how == BPF_ANY && l->id == key && !shared.scanning) {
		place = recent_claim(key);
		if (place) {
			*place = *l;
			return 0;
		}
	}
	err = bpf_map_update_elem(&connections, &key, l, how);
	if (err && err != -EEXIST)
		count(&c->untracked);
	return err;
}

/*
 * Take the bits of @mask from the rows that wait: those that the caller, and nobody else, must
 * emit. Without @atomic (kernels before 5.12 have no exchange) a transition and an accept() of one
 * socket within the same few nanoseconds could both take one.
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

/*
 * An RST of ours goes out before its reason is dropped, in the same call and on this CPU, which may
 * be interrupted meanwhile.
 */
#define RESET_FRESH_NS 10000000ULL

/* One that answers @skb, by the socket @sk. */
static __always_inline void reset_sent(const struct sock *sk, const struct sk_buff *skb)
{
	__u32 zero = 0;
	struct reset *reset = bpf_map_lookup_elem(&resets, &zero);
	const __u8 *header;

	if (!reset)
		return;
	reset->ns = bpf_ktime_get_ns();
	reset->sock = (__u64)sk;
	reset->rport = 0;
	if (!skb)
		return;
	header = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header);
	bpf_probe_read_kernel(&reset->rport, sizeof(reset->rport), header);
}

/* Whether one has just gone out by @sock, a listener or a mini socket, to the peer of @skc. */
static __always_inline bool reset_is_fresh(const void *sock, const struct sock_common *skc)
{
	__u32 zero = 0;
	const struct reset *reset = bpf_map_lookup_elem(&resets, &zero);

	return reset && reset->sock == (__u64)sock &&
	       reset->rport == BPF_CORE_READ(skc, skc_dport) &&
	       bpf_ktime_get_ns() - reset->ns < RESET_FRESH_NS;
}

static __always_inline __u64 *deferred_place(__u64 place)
{
	__u32 at = place % DEFERRED_PLACES;

	return bpf_map_lookup_elem(&deferred, &at);
}

/* Take a place for @l, which deferred_fill() is to fill. Returns whether there was one. */
static __always_inline bool deferred_take(struct lifecycle *l)
{
	if (deferred_ends.next - deferred_ends.oldest > DEFERRED_PLACES - DEFERRED_SPARE)
		return false;
	l->place = __sync_fetch_and_add(&deferred_ends.next, 1);
	return true;
}

static __always_inline void deferred_fill(__u64 place, __u64 key)
{
	__u64 *at = deferred_place(place);

	if (at)
		*at = key;
}

/* The row of @l waits no more; it may never have been in the ring. */
static __always_inline void deferred_over(const struct lifecycle *l, __u64 key)
{
	__u64 *at = cfg_defer_connect ? deferred_place(l->place) : NULL;

	if (at && *at == key)
		*at = DEFERRED_OVER;
}

/* The CLOSE -> SYN_SENT that waited for the local port. */
static __always_inline struct row deferred_row(const struct lifecycle *l)
{
	return row_birth(TCPDWELL_CLOSE, TCPDWELL_SYN_SENT, l->since_ns,
			 TCPDWELL_SOURCE_TRACEPOINT);
}

/* The same once the port is known, which may make the connection an unwanted one. */
static __always_inline void release_deferred(struct tcpdwell_counters *c, const struct sock *sk,
					     const struct endpoint *e, const struct lifecycle *l)
{
	struct row row = deferred_row(l);

	uncount(&c->held);
	if (filter_connection(sk, e, false))
		decide(c, &row, e, l);
	else
		count(&c->filtered);
}

/* A row that waited for an owner: bit @wait of lifecycle.waits. */
static __always_inline struct row held_row(const struct lifecycle *l, __u32 wait)
{
	struct row row = {};

	switch (wait) {
	case LIFECYCLE_HELD_SYN_RECV:
		row.from = TCPDWELL_LISTEN;
		row.to = TCPDWELL_SYN_RECV;
		row.time_ns = l->opened_ns;
		break;
	case LIFECYCLE_HELD_ESTABLISHED:
		row.from = TCPDWELL_SYN_RECV;
		row.to = TCPDWELL_ESTABLISHED;
		row.time_ns = l->established_ns;
		if (l->marks & LIFECYCLE_OPENED_EXACT) {
			row.dwell = TCPDWELL_DWELL_EXACT;
			row.dwell_ns = l->established_ns - l->opened_ns;
		}
		break;
	case LIFECYCLE_HELD_CLOSE_WAIT:
		row.from = TCPDWELL_ESTABLISHED;
		row.to = TCPDWELL_CLOSE_WAIT;
		row.time_ns = l->since_ns;
		row.dwell = TCPDWELL_DWELL_EXACT;
		row.dwell_ns = l->since_ns - l->established_ns;
		break;
	}
	if (l->marks & LIFECYCLE_OPENED_EXACT && wait != LIFECYCLE_HELD_CLOSE_WAIT)
		row.source = TCPDWELL_SOURCE_REQUEST_SOCK;
	return row;
}

/*
 * Emit, or count as filtered, the rows in @taken, which waited for an owner. A function of its own
 * with nothing but numbers as arguments: the verifier looks at it once, not at each call.
 */
__noinline int release_held(__u64 sk, __u64 key, __u32 taken)
{
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = connection_find(key);
	struct endpoint e;

	if (!c || !l)
		return 0;
	endpoint_read(&e, (const struct sock *)sk, false);
	for (__u32 wait = LIFECYCLE_HELD_SYN_RECV; wait <= LIFECYCLE_HELD_CLOSE_WAIT; wait <<= 1) {
		if (taken & wait) {
			struct row row = held_row(l, wait);

			uncount(&c->held);
			decide(c, &row, &e, l);
		}
	}
	return 0;
}

#endif /* TCPDWELL_CONNECTION_BPF_H */
