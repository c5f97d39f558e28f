/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The buckets of durations. Each power of two is cut into 32 buckets of equal width, so any value
 * is known to 1/32. The functions are pure and call no helper, so that the kernel side and user
 * space count alike. Values are nanoseconds.
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

/* Returns the position of the highest bit that is set, 0 for 0. BPF has no instruction for this. */
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

/* Returns the number of the bucket that @ns falls into. */
BUCKETS_FN unsigned int buckets_index(__u64 ns)
{
	unsigned int shift;

	if (ns < BUCKETS_SUBS)
		return ns;
	shift = buckets_log2(ns) - BUCKETS_SUB_BITS;
	return (shift << BUCKETS_SUB_BITS) + (ns >> shift);
}

/* Returns the lowest value that falls into bucket @index. */
BUCKETS_FN __u64 buckets_lowest(unsigned int index)
{
	unsigned int power = index >> BUCKETS_SUB_BITS;

	if (!power)
		return index;
	return (__u64)(BUCKETS_SUBS + index % BUCKETS_SUBS) << (power - 1);
}

#endif /* TCPDWELL_BUCKETS_H */
