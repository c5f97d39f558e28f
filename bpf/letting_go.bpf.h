/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a process is just closing the descriptor of a socket, and was the last to have it.
 */
#ifndef TCPDWELL_LETTING_GO_BPF_H
#define TCPDWELL_LETTING_GO_BPF_H

#include "descriptor.bpf.h"
#include "sock.bpf.h"

/*
 * Threads of a process that are asked whether they let go of a file, in stretches
 * (descriptor.bpf.h). Of those after the first stretch only threads that run are asked, for to ask
 * takes longer than to see that a thread sleeps, and close() does not sleep there.
 */
#define LETTING_STRETCH	  32
#define LETTING_STRETCHES 32

/* How often a file is looked at while its owner is in close(), which lasts some microseconds. */
#define LETTING_LOOKS 128

/* What a task's system call, or its last one, does to a descriptor. */
enum letting_go {
	LETS_NOT_GO,
	LETS_GO_OF_SOME,  /* it takes away some, perhaps this one */
	LETS_GO_BY_CLOSE, /* it is close() of this one, which is out of its table already */
	HAS_LET_GO,	  /* it was that, and has returned */
};

/*
 * Returns for @task what current_registers() returns for the running task. All stacks have one
 * size.
 */
static __always_inline const struct pt_regs *task_registers(const struct task_struct *task)
{
	const struct task_struct *current = (const void *)bpf_get_current_task();
	__u64 registers = address_of(current_registers());

	registers -= (__u64)BPF_CORE_READ(current, stack);
	return BPF_CORE_READ(task, stack) + registers;
}

/*
 * Returns enum letting_go for the task at @address and the descriptor @place (lifecycle_place()).
 */
__noinline int task_lets_go(__u64 address, __u32 place)
{
	const struct pt_regs *registers = task_registers((const struct task_struct *)address);
	__u32 call = call_of(registers), fd;

	if (call == cfg_letting_go[0]) {
		fd = PT_REGS_PARM1_CORE_SYSCALL(registers);
		if (place & LIFECYCLE_FD_NEAR)
			fd = (fd & LIFECYCLE_FD_BITS) | LIFECYCLE_FD_NEAR;
		if (fd != place)
			return LETS_NOT_GO;
		return call_goes_on(registers) ? LETS_GO_BY_CLOSE : HAS_LET_GO;
	}
	for (int i = 1; i < LETTING_GO; i++)
		if (cfg_letting_go[i] == call)
			return LETS_GO_OF_SOME;
	return LETS_NOT_GO;
}

/* Returns whether @task may be on a processor; a kernel for one processor does not tell. */
static __always_inline bool task_may_run(const struct task_struct *task)
{
	return !bpf_core_field_exists(task->on_cpu) || BPF_CORE_READ(task, on_cpu);
}

/*
 * Looks at a stretch of the list of threads that begins at @node and ends at @head. Returns the
 * node of the first thread that lets go of @place, or else the node after the stretch.
 */
__noinline __u64 letting_go_stretch(__u64 node, __u64 head, __u32 place, __u32 only_running)
{
	const struct task_struct *task;

	for (int i = 0; i < LETTING_STRETCH && node && node != head; i++) {
		task = (void *)node - bpf_core_field_offset(struct task_struct, thread_node);
		if ((!only_running || task_may_run(task)) &&
		    task_lets_go((__u64)task, place) != LETS_NOT_GO)
			return node;
		node = (__u64)BPF_CORE_READ((struct list_head *)node, next);
	}
	return node;
}

/*
 * Returns the first thread that lets go of @place, in the process of the task at @address; 0: none
 * does.
 */
static __always_inline __u64 thread_letting_go(__u64 address, __u32 place)
{
	const struct task_struct *task = (const struct task_struct *)address;
	__u64 head = (__u64)BPF_CORE_READ(task, signal), node;

	head += bpf_core_field_offset(struct signal_struct, thread_head);
	node = (__u64)BPF_CORE_READ((struct list_head *)head, next);
	for (int i = 0; i < LETTING_STRETCHES && node && node != head; i++) {
		node = letting_go_stretch(node, head, place, i);
		address = node - bpf_core_field_offset(struct task_struct, thread_node);
		if (node && node != head && task_lets_go(address, place) != LETS_NOT_GO)
			return address;
	}
	return 0;
}

/* A function of its own: what a kernel has not must not be looked for ahead of a loop. */
__noinline int file_is_gone(__u64 file)
{
	return !file_references((const struct file *)file);
}

/*
 * Returns whether a process, that of the task at @address, is just letting go of @file and was the
 * last to have it. It had the file at @place, and has it there no more.
 *
 * close() takes the descriptor away first, then the reference to the file, some 50 ns later. After
 * that it needs the socket's lock, which a softirq holds now. Another process may have had the last
 * reference, so this one must be seen to go while the owner is in close() of that descriptor; it
 * may be gone already. Until 6.5 close() leaves the rest to task_work_run(). Then the process has
 * left its call, and no more is known than that it was its last one.
 */
__noinline int owner_lets_go(__u64 address, __u32 place, __u64 file)
{
	__u64 task = thread_letting_go(address, place);
	int how = task ? task_lets_go(task, place) : LETS_NOT_GO;

	for (int i = 0; i < LETTING_LOOKS && how == LETS_GO_BY_CLOSE && !file_is_gone(file); i++)
		how = task_lets_go(task, place);
	if (!file_is_gone(file))
		return 0;
	if (how == HAS_LET_GO)
		return !bpf_core_field_exists(((const struct file *)file)->f_ref);
	return how != LETS_NOT_GO;
}

#endif /* TCPDWELL_LETTING_GO_BPF_H */
