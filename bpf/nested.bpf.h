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
 * Whether a task has the socket, in a system call. If not it is a softirq's, or softirqs are off:
 * so neither kind of event comes upon another of its kind.
 */
static __always_inline bool is_of_task(const struct sock *sk)
{
	return sk->sk_lock.owned;
}

static __always_inline volatile struct taken *taken_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&taken_events, &zero);
}

/*
 * The first program leaves the event that it takes as its first act; the second takes the mark away
 * again, or finds none. The socket is mark enough: a softirq leaves one alone that a task has.
 *
 * A softirq that comes upon the second program leaves marks that nobody takes away. They would hide
 * events at the same address that the first is kept from; but that is when a task is in the first
 * one, and it has taken them away.
 */
static __always_inline void event_take(const struct sock *sk)
{
	volatile struct taken *taken = taken_here();

	if (!taken)
		return;
	if (is_of_task(sk)) {
		taken->by_softirq = 0;
		taken->by_task = (__u64)sk;
	} else {
		taken->by_softirq = (__u64)sk;
	}
}

/* Whether the first program took this event. */
static __always_inline bool event_was_taken(const struct sock *sk)
{
	volatile struct taken *taken = taken_here();
	bool was;

	if (!taken)
		return true;
	if (is_of_task(sk)) {
		was = taken->by_task == (__u64)sk;
		taken->by_task = 0;
	} else {
		was = taken->by_softirq == (__u64)sk;
		taken->by_softirq = 0;
	}
	return was;
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
