/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of the two programs at the tracepoint tells an event.
 *
 * Since 6.1 the kernel passes over a program that already runs on the CPU: a softirq's transition
 * that comes while a system call's is being told, and since 7.0 that of a task which took the CPU
 * from another one there. So a second program comes after the first, each time, and tells what that
 * was kept from: one in 130 000 of scripts that each talk to themselves over loopback.
 */
#ifndef TCPDWELL_NESTED_BPF_H
#define TCPDWELL_NESTED_BPF_H

#include "config.bpf.h"
#include "maps.bpf.h"

/*
 * The sockets whose event the first program at the tracepoint took on this CPU and the second one
 * did not look at yet (nested.bpf.h): of a task, and of a softirq that came upon it.
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

/* by_task where a task may lose its CPU; the loader makes it one element elsewhere. */
#define TASK_MARKS 65536

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TASK_MARKS);
	__type(key, __u32);
	__type(value, __u64);
} taken_by_task SEC(".maps");

/* The program that both go on into, and a place where none is. */
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
 * Where an event on its way from the first program to the second is marked.
 *
 * Since 7.0 a task may lose its CPU to another one in a program, and between the two get another
 * CPU: there its mark goes by its thread id. Two threads that share one would have to be between
 * the two programs at the same time. Neighbours are on cache lines of their own.
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

/* Whether the first program took this event. */
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
