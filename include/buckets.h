/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The buckets of durations: each power of two is cut into 32 of equal width, so that any value is
 * known to 1/32. Pure; no helper is called, so that the kernel side and user space count alike.
 * Values are nanoseconds.
 */
#ifndef TCPDWELL_BUCKETS_H
#define TCPDWELL_BUCKETS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#ifdef __bpf__
#define BUCKETS_FN static __attribute__((always_inline)) inline
#else
#define BUCKETS_FN static inline
#endif

#define BUCKETS_SUB_BITS 5
#define BUCKETS_SUBS	 (1U << BUCKETS_SUB_BITS)
/* One range of exact values below 2^5, then one for each power of two up to 2^63. */
#define BUCKETS ((64 - BUCKETS_SUB_BITS + 1) << BUCKETS_SUB_BITS)

/* The place of the highest bit that is set, 0 for 0. BPF has no instruction that says it. */
BUCKETS_FN unsigned int buckets_log2(__u64 v)
{
	unsigned int log2 = 0;

	for (unsigned int bits = 32; bits; bits /= 2) {
		if (v >> bits) {
			v >>= bits;
			log2 += bits;
		}
	}
	return log2;
}

/* The bucket of @ns. */
BUCKETS_FN unsigned int buckets_index(__u64 ns)
{
	unsigned int shift;

	if (ns < BUCKETS_SUBS)
		return ns;
	shift = buckets_log2(ns) - BUCKETS_SUB_BITS;
	return (shift << BUCKETS_SUB_BITS) + (ns >> shift);
}

/* The lowest value that bucket @index takes. */
BUCKETS_FN __u64 buckets_lowest(unsigned int index)
{
	unsigned int power = index >> BUCKETS_SUB_BITS;

	if (!power)
		return index;
	return (__u64)(BUCKETS_SUBS + index % BUCKETS_SUBS) << (power - 1);
}

#endif /* TCPDWELL_BUCKETS_H */
