/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of the two programs at the tracepoint tells an event.
 *
 * Since 6.1 the kernel passes over a program that already runs on the CPU: a softirq's transition
 * that comes while a system call's is being told. So a second program comes after the first, each
 * time, and tells what that was kept from.
 */
#ifndef TCPDWELL_NESTED_BPF_H
#define TCPDWELL_NESTED_BPF_H

#include "maps.bpf.h"

/*
 * The first program leaves the event that it takes as its first act; the second takes the mark away
 * again, or finds none. Whichever of the two a softirq interrupts, at its first instruction or at
 * its last, the other one runs. The socket is mark enough: a softirq leaves one alone that a system
 * call has locked.
 */
static __always_inline volatile struct taken *taken_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&taken_events, &zero);
}

static __always_inline void event_take(const struct sock *sk)
{
	volatile struct taken *taken = taken_here();

	if (!taken)
		return;
	taken->outer = taken->last;
	taken->last = (__u64)sk;
}

/* Whether the first program took this event. */
static __always_inline bool event_was_taken(const struct sock *sk)
{
	volatile struct taken *taken = taken_here();
	__u64 outer;

	if (!taken)
		return true;
	outer = taken->outer;
	if (taken->last == (__u64)sk) {
		taken->last = outer;
		taken->outer = 0;
		return true;
	}
	/* A softirq came upon this program: its mark is above ours, and nobody came for it. */
	if (taken->outer == (__u64)sk) {
		taken->last = 0;
		taken->outer = 0;
		return true;
	}
	return false;
}

/*
 * Where a task may lose its CPU between the two programs, and get another one, a mark would be
 * looked for on the wrong CPU. There the first one says that it runs. What is left are the few
 * instructions between the kernel's mark and this one; those are counted (loader_missed()).
 */
static __always_inline void busy_set(bool is)
{
	volatile struct taken *taken = taken_here();

	if (taken)
		taken->busy = is;
}

static __always_inline bool busy_is_set(void)
{
	volatile struct taken *taken = taken_here();

	return taken && taken->busy;
}

#endif /* TCPDWELL_NESTED_BPF_H */
