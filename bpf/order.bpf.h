/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * In which order one CPU sees what another one writes.
 *
 * x86 keeps all orders but one: a load may overtake an earlier store to another place. arm64 keeps
 * none, with one exception: a value that an address is computed from is loaded before what is at
 * that address. So each place where two CPUs meet without a lock asks for the order that it needs.
 * On x86 most of these requests do nothing.
 *
 * These need no request: data that one CPU or one thread alone writes and reads (nested.bpf.h);
 * elements of hash maps, which the kernel publishes under a bucket's lock and readers reach by
 * address; records, which bpf_ringbuf_submit() publishes by an exchange; elements pushed into a
 * queue, under its lock; and sums, of which only the end counts. An atomic operation that returns a
 * value is in order with everything before and after it. One that returns none (count()) is in
 * order with nothing on arm64.
 *
 * The kernel's JIT for arm64 has atomic operations that return a value since 5.18, and programs
 * before 5.12 may not contain them: @atomic says whether this one may.
 */
#ifndef TCPDWELL_ORDER_BPF_H
#define TCPDWELL_ORDER_BPF_H

#include "maps.bpf.h"

#ifdef __TARGET_ARCH_x86
#define ORDER_IS_KEPT true
#else
#define ORDER_IS_KEPT false
#endif

/* Every CPU sees the loads and stores before this call before any that come after it. */
static __always_inline void order_full(const bool atomic)
{
	struct tcpdwell_counters *c = counters_here();
	__u64 nothing = 0;

	if (!c)
		return;
	/*
	 * This adds nothing. If clang knows that it is zero, it makes an atomic or, which 5.10 does
	 * not have.
	 */
	asm volatile("" : "+r"(nothing));
	if (atomic) {
		nothing = __sync_fetch_and_add(&c->held, nothing);
		asm volatile("" : : "r"(nothing)); /* the value is used, so clang keeps the order */
	} else if (ORDER_IS_KEPT) {
		__sync_fetch_and_add(&c->held, nothing);
	} else if (cfg_young) {
		/*
		 * Nothing is in there under this key. Releasing a bucket's lock comes after all
		 * that precedes it. Taking a lock comes after releasing another one, and before all
		 * that follows.
		 */
		bpf_map_delete_elem(&young, &nothing);
		bpf_map_delete_elem(&young, &nothing);
	}
}

/* The same, except that loads may overtake stores. On x86 that holds without help. */
static __always_inline void order_mostly(const bool atomic)
{
	if (ORDER_IS_KEPT)
		barrier();
	else
		order_full(atomic);
}

/*
 * Returns @pointer. What is loaded through the result is loaded after @loaded was. The verifier
 * knows that the sum is the same, but the processor has to wait for @loaded.
 */
static __always_inline void *order_after(const void *pointer, __u64 loaded)
{
	if (ORDER_IS_KEPT)
		return (void *)pointer;
	asm volatile("%0 &= 0" : "+r"(loaded));
	return (void *)pointer + loaded;
}

/*
 * Stores @value after all before is done: who finds @value finds that too. Only for programs with
 * atomics.
 */
static __always_inline void order_publish(__u64 *at, __u64 value)
{
	if (ORDER_IS_KEPT)
		*(volatile __u64 *)at = value;
	else
		__sync_lock_test_and_set(at, value);
}

#endif /* TCPDWELL_ORDER_BPF_H */
