/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The user stack of a process that connects or accepts, kept with the connection. The programs
 * contain none of this unless it is asked for.
 *
 * The kernel walks frame pointers. If the C library has none, the kernel misses the very function
 * that called accept(). So the registers and the top of the stack are kept too, and user space can
 * unwind them.
 */
#ifndef TCPDWELL_STACK_BPF_H
#define TCPDWELL_STACK_BPF_H

#include "connection.bpf.h"
#include "current.bpf.h"

/* Stacks for which there was no room. */
__u64 stacks_missed;

/*
 * How much of the stack is tried if the whole cannot be read, because it ends or is not resident.
 */
#define STACK_LESS_BYTES 256

/* The initial value of an entry; the helpers then write into the map itself. */
static struct tcpdwell_stack stack_empty;

static __always_inline void stack_read_registers(struct tcpdwell_stack *s)
{
	const struct pt_regs *x86 = current_registers();
	const struct user_pt_regs *arm64 = (const void *)x86;

	if (bpf_core_type_exists(struct user_pt_regs)) {
		s->ip = BPF_CORE_READ(arm64, pc);
		s->sp = BPF_CORE_READ(arm64, sp);
		s->fp = BPF_CORE_READ(arm64, regs[29]);
		s->lr = BPF_CORE_READ(arm64, regs[30]);
	} else {
		s->ip = BPF_CORE_READ(x86, ip);
		s->sp = BPF_CORE_READ(x86, sp);
		s->fp = BPF_CORE_READ(x86, bp);
	}
}

static __always_inline void stack_read_top(struct tcpdwell_stack *s)
{
	stack_read_registers(s);
	if (s->ip != s->ips[0])
		return;
	if (!bpf_probe_read_user(s->top, sizeof(s->top), (void *)s->sp))
		s->top_bytes = sizeof(s->top);
	else if (!bpf_probe_read_user(s->top, STACK_LESS_BYTES, (void *)s->sp))
		s->top_bytes = STACK_LESS_BYTES;
}

/*
 * Keeps the stack of the running process, which has connected or accepted the connection of @key.
 * @how says which of the two (enum tcpdwell_owner).
 */
static __always_inline void stack_keep(void *ctx, __u64 key, __u8 how)
{
	struct tcpdwell_stack *s;

	if (!cfg_stacks || !connection_find(key))
		return;
	if (bpf_map_update_elem(&stacks, &key, &stack_empty, BPF_ANY)) {
		count(&stacks_missed);
		return;
	}
	s = bpf_map_lookup_elem(&stacks, &key);
	if (!s)
		return;
	s->pid = bpf_get_current_pid_tgid() >> 32;
	s->how = how;
	s->ip_bytes = bpf_get_stack(ctx, s->ips, sizeof(s->ips), BPF_F_USER_STACK);
	s->frame_bytes = bpf_get_stack(ctx, s->frames, sizeof(s->frames),
				       BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
	stack_read_top(s);
	*(volatile __u64 *)&s->time_ns = bpf_ktime_get_ns();
}

/*
 * Keeps the stack of connect(), which runs in the process that connects. @ctx has the arguments of
 * inet_sock_set_state. They are read once more here: values that are kept across transition() would
 * take some of its stack, of which 5.10 has little.
 */
static __always_inline void stack_of_connect(unsigned long long *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];
	int from = (int)ctx[1], to = (int)ctx[2];

	if (cfg_stacks && from == TCPDWELL_CLOSE && to == TCPDWELL_SYN_SENT && sock_is_tcp(sk))
		stack_keep(ctx, sock_key(sk), TCPDWELL_OWNER_CONNECT);
}

#endif /* TCPDWELL_STACK_BPF_H */
