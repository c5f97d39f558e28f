/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a process is just closing the descriptor of a socket, and was the last to have it.
 */
#ifndef TCPDWELL_LETTING_GO_BPF_H
#define TCPDWELL_LETTING_GO_BPF_H

#include "descriptor.bpf.h"
#include "sock.bpf.h"

/* Threads of a process that are asked whether they let go of a file. */
#define LETTING_THREADS 32

/* Looks at a file in whose descriptor's close() its owner is: they last a microsecond or some. */
#define LETTING_LOOKS 128

/* Whether a task is in a call, or was in its last one, that takes a descriptor away. */
enum letting_go {
	LETS_NOT_GO,
	LETS_GO_OF_SOME,  /* any of its own */
	LETS_GO_BY_CLOSE, /* of the one that is meant: it is out of its table already */
	HAS_LET_GO,	  /* the same, and the call has returned */
};

/* The registers of the task at @task, as current_registers() has them: stacks are of one size. */
static __always_inline const struct pt_regs *task_registers(const struct task_struct *task)
{
	const struct task_struct *current = (const void *)bpf_get_current_task();
	__u64 registers = address_of(current_registers());

	registers -= (__u64)BPF_CORE_READ(current, stack);
	return BPF_CORE_READ(task, stack) + registers;
}

/* The same of the task at @address and the descriptor at @place. */
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

/* The first thread of the process of @address, a task, that does so; or 0. */
__noinline __u64 thread_letting_go(__u64 address, __u32 place)
{
	const struct task_struct *task = (const struct task_struct *)address;
	__u64 head = (__u64)BPF_CORE_READ(task, signal), node;

	head += bpf_core_field_offset(struct signal_struct, thread_head);
	node = (__u64)BPF_CORE_READ((struct list_head *)head, next);
	for (int i = 0; i < LETTING_THREADS && node && node != head; i++) {
		address = node - bpf_core_field_offset(struct task_struct, thread_node);
		if (task_lets_go(address, place) != LETS_NOT_GO)
			return address;
		node = (__u64)BPF_CORE_READ((struct list_head *)node, next);
	}
	return 0;
}

/* A function of its own: what a kernel has not must not be looked for ahead of a loop. */
__noinline int file_is_gone(__u64 file)
{
	return !file_references((const struct file *)file);
}

/*
 * Whether the process of @address, a task, which had @file at @place and has it there no more,
 * is just letting go of it: it was the last to have it.
 *
 * The descriptor goes first, the reference to the file some 50 ns later, and the socket is reached
 * after that, for which the lock is needed that a softirq holds now. Another may have had the last
 * reference: so this one must be seen to go, while the owner is in close() of that descriptor. It
 * may be gone already. Who uses what task_work_run() does (close() until 6.5) has left its call by
 * then, and no more is known than that it was its last one.
 */
__noinline int owner_lets_go(__u64 address, __u32 place, __u64 file)
{
	__u64 task = thread_letting_go(address, place);
	int how = task ? task_lets_go(task, place) : LETS_NOT_GO;

	for (int i = 0; i < LETTING_LOOKS && how == LETS_GO_BY_CLOSE; i++) {
		if (file_is_gone(file))
			break;
		how = task_lets_go(task, place);
	}
	if (!file_is_gone(file))
		return 0;
	if (how == HAS_LET_GO)
		return !bpf_core_field_exists(((const struct file *)file)->f_ref);
	return how != LETS_NOT_GO;
}

#endif /* TCPDWELL_LETTING_GO_BPF_H */
