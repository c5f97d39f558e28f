/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * In which order one CPU sees what another one writes.
 *
 * x86 keeps all orders but one: a load may overtake an earlier store to another place. arm64 keeps
 * none, except that what an address was made of is loaded before what is there. So each place where
 * two CPUs meet without a lock asks for the order that it needs, and on x86 most of these requests
 * are nothing.
 *
 * What needs no request: what one CPU or one thread alone writes and reads (nested.bpf.h); elements
 * of hash maps, which the kernel publishes under a bucket's lock and readers reach by address;
 * records, which bpf_ringbuf_submit() publishes by an exchange; what is pushed into a queue, under
 * its lock; and sums, of which nothing but the end counts. An atomic operation that returns a value
 * is in order with all before and after it; one that returns none (count()) is in order with
 * nothing on arm64.
 *
 * The kernel's JIT for arm64 knows the former since 5.18, and programs before 5.12 may not have
 * them: @atomic says whether this one may.
 */
#ifndef TCPDWELL_ORDER_BPF_H
#define TCPDWELL_ORDER_BPF_H

#include "maps.bpf.h"

#ifdef __TARGET_ARCH_x86
#define ORDER_IS_KEPT true
#else
#define ORDER_IS_KEPT false
#endif

/* What is loaded and stored before this is so for all CPUs before anything is that comes after. */
static __always_inline void order_full(const bool atomic)
{
	struct tcpdwell_counters *c = counters_here();
	__u64 nothing = 0;

	if (!c)
		return;
	/* Adds nothing. Of a zero that it knows clang makes an atomic or, which 5.10 has not. */
	asm volatile("" : "+r"(nothing));
	if (atomic) {
		nothing = __sync_fetch_and_add(&c->held, nothing);
		asm volatile("" : : "r"(nothing)); /* it is wanted, so the order is */
	} else if (ORDER_IS_KEPT) {
		__sync_fetch_and_add(&c->held, nothing);
	} else if (cfg_young) {
		/*
		 * Nobody is in there. To let go of a bucket's lock comes after all before it, to
		 * take one after letting go of another, and all that follows after taking that.
		 */
		bpf_map_delete_elem(&young, &nothing);
		bpf_map_delete_elem(&young, &nothing);
	}
}

/* The same but for loads that overtake stores: on x86 it is so by itself. */
static __always_inline void order_mostly(const bool atomic)
{
	if (ORDER_IS_KEPT)
		barrier();
	else
		order_full(atomic);
}

/*
 * @pointer, and what is loaded through that is loaded after @loaded was. The verifier knows the sum
 * to be the same, the processor has to wait for it.
 */
static __always_inline void *order_after(const void *pointer, __u64 loaded)
{
	if (ORDER_IS_KEPT)
		return (void *)pointer;
	asm volatile("%0 &= 0" : "+r"(loaded));
	return (void *)pointer + loaded;
}

/* Store @value once all before is done: who finds it finds that. Only in programs with atomics. */
static __always_inline void order_publish(__u64 *at, __u64 value)
{
	if (ORDER_IS_KEPT)
		*(volatile __u64 *)at = value;
	else
		__sync_lock_test_and_set(at, value);
}

#endif /* TCPDWELL_ORDER_BPF_H */
