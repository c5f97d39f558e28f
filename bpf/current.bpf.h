/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The running process, and how it entered the kernel.
 */
#ifndef TCPDWELL_CURRENT_BPF_H
#define TCPDWELL_CURRENT_BPF_H

#include "config.bpf.h"

/* Bits of task_struct.flags, include/linux/sched.h. */
#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

#define ENOSYS 38 /* asm-generic/errno.h */

/* The size of a kernel stack with 4 KiB pages, on x86_64 (4.0) and arm64. */
#define KERNEL_STACK_BYTES 16384

/*
 * Returns the registers with which the running process entered the kernel. They are at the end of
 * its kernel stack. Before 5.15 no helper says where, and the caller must not believe them before
 * something else agrees.
 */
static __always_inline const void *current_registers(void)
{
	struct task_struct *task;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	task = (struct task_struct *)bpf_get_current_task();
	return BPF_CORE_READ(task, stack) + KERNEL_STACK_BYTES - bpf_core_type_size(struct pt_regs);
}

/* The system call that a task is or was in, which entered the kernel with @registers. */
static __always_inline __u32 call_of(const void *registers)
{
	const struct pt_regs *x86 = registers;
	const struct pt_regs___call *arm64 = registers;

	if (bpf_core_field_exists(arm64->syscallno))
		return BPF_CORE_READ(arm64, syscallno);
	return BPF_CORE_READ(x86, orig_ax);
}

static __always_inline __u32 current_call(void)
{
	return call_of(current_registers());
}

/*
 * Returns whether the system call of @registers has not returned yet. Until it does, the register
 * of its result holds an error on x86_64, and its first argument on arm64, where a 0 says nothing.
 */
static __always_inline bool call_goes_on(const struct pt_regs *registers)
{
	__u64 result = PT_REGS_RC_CORE(registers);

	if (bpf_core_field_exists(((const struct pt_regs___call *)registers)->syscallno))
		return result && result == PT_REGS_PARM1_CORE_SYSCALL(registers);
	return result == (__u64)-ENOSYS;
}

/*
 * Returns whether the running process is in a system call that closes descriptors, or ends. If not,
 * it only looked at a socket of another process, which closed it meanwhile. An iterator over
 * descriptors holds the file that it is at, and the last holder closes the file (fput()). The
 * snapshot of this tool is one example.
 *
 * It is a global function, so the verifier looks at it once, not at each call.
 */
__noinline int current_closes(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u32 call;

	if (BPF_CORE_READ(task, flags) & PF_EXITING)
		return 1;
	call = current_call();
	for (int i = 0; i < CLOSING_CALLS; i++)
		if (cfg_closing_calls[i] == call)
			return 1;
	return 0;
}

#endif /* TCPDWELL_CURRENT_BPF_H */
