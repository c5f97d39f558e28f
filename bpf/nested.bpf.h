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

#include "config.bpf.h"
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
	if (cfg_preempted) {
		taken->busy = 1;
	} else if (is_of_task(sk)) {
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
	if (cfg_preempted)
		return !taken->busy;
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
 * Since 7.0 a task may lose its CPU to another one in a program, and between the two get another
 * CPU, where a mark would be looked for in vain. There the first one says that it runs, until a
 * task that waited for the CPU has had it. What is left are the few instructions between the
 * kernel's mark and this one; those are counted (loader_missed()).
 */
static __always_inline void event_is_told(void)
{
	volatile struct taken *taken;

	if (!cfg_preempted)
		return;
	taken = taken_here();
	if (taken)
		taken->busy = 0;
}

extern void bpf_preempt_disable(void) __weak __ksym;
extern void bpf_preempt_enable(void) __weak __ksym;

/* What is this CPU's own would get mixed up if another task's transition came in between. */
static __always_inline void keep_cpu(void)
{
	if (cfg_preempted)
		bpf_preempt_disable();
}

static __always_inline void let_go_of_cpu(void)
{
	if (cfg_preempted)
		bpf_preempt_enable();
}

#endif /* TCPDWELL_NESTED_BPF_H */
