/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of the two programs at the tracepoint tells an event.
 *
 * Since 6.1 the kernel does not run a program that already runs on the CPU. So it skips a softirq's
 * transition that comes while the program tells a system call's transition. Since 7.0 it also skips
 * that of a task which took the CPU from another task inside the program. Therefore a second
 * program runs after the first one at each event, and tells the events that the first one was kept
 * from. That was one event in 130 000 when scripts each talked to themselves over loopback.
 */
#ifndef TCPDWELL_NESTED_BPF_H
#define TCPDWELL_NESTED_BPF_H

#include "config.bpf.h"
#include "maps.bpf.h"

/*
 * The sockets whose event the first program at the tracepoint took on this CPU, and at which the
 * second program has not looked yet: one of a task, and one of a softirq that interrupted it.
 */
struct taken {
	__u64 by_task;
	__u64 by_softirq;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct taken);
} taken_events SEC(".maps");

/* Replaces by_task where a task may lose its CPU. Elsewhere the loader makes it one element. */
#define TASK_MARKS 65536

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TASK_MARKS);
	__type(key, __u32);
	__type(value, __u64);
} taken_by_task SEC(".maps");

/* Slots of transitions: the program that both programs continue in, and a slot that stays empty. */
#define TRANSITION_TOLD	  0
#define TRANSITION_NOBODY 1

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} transitions SEC(".maps"); /* the loader fills it */

/* Transitions that the second program told. */
__u64 nested_told;

static __always_inline volatile struct taken *taken_here(void)
{
	__u32 zero = 0;

	if (!cfg_nested)
		return NULL;
	return bpf_map_lookup_elem(&taken_events, &zero);
}

/*
 * Returns where an event on its way from the first program to the second is marked; NULL if there
 * is no place.
 *
 * Since 7.0 a task inside a program may lose its CPU to another task, and may be moved to another
 * CPU between the two programs. On such kernels a task's mark goes by its thread id. Two threads
 * whose ids share an element would have to be between the two programs at the same time.
 * Neighbouring ids are on different cache lines.
 */
static __always_inline volatile __u64 *event_mark(volatile struct taken *taken, bool of_task)
{
	__u32 tid, at;

	if (!of_task)
		return &taken->by_softirq;
	if (!cfg_preempted)
		return &taken->by_task;
	tid = bpf_get_current_pid_tgid();
	at = (tid << 3 | (tid >> 13 & 7)) & (TASK_MARKS - 1);
	return bpf_map_lookup_elem(&taken_by_task, &at);
}

/*
 * The first program marks each event that it handles, before it does anything else. The second
 * program runs right after it at the same event: if it finds the mark, it removes the mark and
 * leaves the event alone; if it finds none, the kernel did not run the first one, and it handles
 * the event. The mark is the address of the socket, which is enough: a task locks its socket, so no
 * softirq moves the same one meanwhile.
 *
 * A softirq may interrupt the second program, and then its own marks are not removed. Such a mark
 * could hide a later event at the same address, but only one that the first program was kept from.
 * That happens only while a task runs the first program, which clears the softirq's mark.
 */
static __always_inline void event_take(const struct sock *sk)
{
	volatile struct taken *taken = taken_here();
	bool of_task = is_of_task(sk);
	volatile __u64 *mark;

	if (!taken)
		return;
	if (of_task)
		taken->by_softirq = 0;
	mark = event_mark(taken, of_task);
	if (mark)
		*mark = (__u64)sk;
}

/* Returns whether the first program took this event, and removes the mark. */
static __always_inline bool event_was_taken(const struct sock *sk)
{
	volatile struct taken *taken = taken_here();
	volatile __u64 *mark = taken ? event_mark(taken, is_of_task(sk)) : NULL;
	bool was;

	if (!mark)
		return true;
	was = *mark == (__u64)sk;
	*mark = 0;
	return was;
}

extern void bpf_preempt_disable(void) __weak __ksym;
extern void bpf_preempt_enable(void) __weak __ksym;

/*
 * Keeps other tasks off this CPU. Otherwise their transitions would mix up the per-CPU data of the
 * one that is being told.
 */
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
