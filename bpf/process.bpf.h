/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of the sockets in a process's table of descriptors when it execs or ends.
 *
 * None of this runs in a transition, except for current_kills() at some ends of requests and
 * timewait sockets. Helpers read all pointers, so these functions serve every type of program.
 */
#ifndef TCPDWELL_PROCESS_BPF_H
#define TCPDWELL_PROCESS_BPF_H

#include "connection.bpf.h"
#include "deferred.bpf.h"
#include "holder.bpf.h"

/* Kernel ABI: include/linux/socket.h, include/uapi/linux/netlink.h. */
#define AF_NETLINK	  16
#define NETLINK_SOCK_DIAG 4

/*
 * Returns whether the running process sends a message to sock_diag, as `ss -K` does to end a socket
 * (SOCK_DESTROY). Segments that a softirq takes in at that moment, on top of the process, are
 * mistaken for that.
 *
 * It is a global function, so the verifier looks at it once, not at each call.
 */
__noinline int current_kills(void)
{
	const struct pt_regs *regs = current_registers();
	__u32 call = current_call();
	const struct sock *sk;

	if (call != cfg_sending_calls[0] && call != cfg_sending_calls[1])
		return 0;
	sk = current_sock(PT_REGS_PARM1_CORE_SYSCALL(regs));
	return sk && PEEK(sock, sk, __sk_common.skc_family) == AF_NETLINK &&
	       PEEK(sock, sk, sk_protocol) == NETLINK_SOCK_DIAG;
}

/*
 * On exec a process keeps its number and its sockets, and takes another name. If another process is
 * known as the owner and does not hold the socket any more, the socket was handed to this one.
 */
static __always_inline void exec_own(struct lifecycle *l, __u64 task, __u32 fd,
				     const struct file *file)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (l->owner == TCPDWELL_OWNER_NONE || l->pid == pid ||
	    (lifecycle_has_task(l, cfg_life) && !holder_has(l, file)))
		holder_become(l, task, fd);
}

/* Looks at descriptor @fd of the running process, which has exec'd. */
static __always_inline int exec_socket(__u64 fdt, __u32 fd, const bool atomic)
{
	struct file *file = fdtable_file((const struct fdtable *)fdt, fd);
	struct sock *sk = file_sock(file);
	__u64 key = sk ? sock_key_by_address(sk) : 0;
	struct lifecycle *l = sk ? connection_find(key) : NULL;
	struct tcpdwell_counters *c = counters_here();
	struct endpoint e;

	if (!l || !c)
		return 0;
	if (deferred_over(l, key, atomic)) {
		endpoint_read(&e, sk, false);
		release_deferred(c, sk, &e, l); /* with the name under which it connected */
	}
	exec_own(l, bpf_get_current_task(), fd, file);
	return 0;
}

__noinline int process_exec_socket(__u64 fdt, __u32 fd)
{
	return exec_socket(fdt, fd, true);
}

__noinline int process_exec_v511_socket(__u64 fdt, __u32 fd)
{
	return exec_socket(fdt, fd, false);
}

/*
 * Threads that are looked at in a process that ends. Those that have ended are in its list no more,
 * so hardly any other than its last one is.
 */
#define ENDING_THREADS 64

/*
 * Returns whether the running process, which ends, shares its table of descriptors with another one
 * (clone() with CLONE_FILES), which keeps all that is in it. Threads of its own that have not let
 * go of the table yet do not count; if one lets go just now, the answer may be a wrong yes.
 */
__noinline int process_shares_table(void)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	const struct signal_struct *signal = BPF_CORE_READ(task, signal);
	const struct files_struct *files = BPF_CORE_READ(task, files);
	int users = BPF_CORE_READ(files, count.counter);
	__u64 head, node;

	if (users == 1)
		return 0;
	head = (__u64)signal + bpf_core_field_offset(struct signal_struct, thread_head);
	node = (__u64)BPF_CORE_READ((struct list_head *)head, next);
	for (int i = 0; i < ENDING_THREADS && node && node != head; i++) {
		task = (void *)node - bpf_core_field_offset(struct task_struct, thread_node);
		users -= BPF_CORE_READ(task, files) == files;
		node = (__u64)BPF_CORE_READ((struct list_head *)node, next);
	}
	return users > 0;
}

/*
 * Notes that the running process, which ends, is the only one that has a socket. Nobody can be
 * asked for it later, for the process gives its table away before it closes what is in it.
 */
static __always_inline void exit_own(struct lifecycle *l, __u32 fd)
{
	if (l->owner == TCPDWELL_OWNER_NONE || l->pid != bpf_get_current_pid_tgid() >> 32) {
		holder_become(l, bpf_get_current_task(), fd);
		*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_CLOSE;
	}
	if (!(l->waits & LIFECYCLE_LAST)) /* not an atomic or, which 5.10 has not */
		__sync_fetch_and_add(&l->waits, LIFECYCLE_LAST);
}

/*
 * A process that has a socket ends. If it is the one that the socket is known by, it leaves the
 * socket to a child that has it under the same number. If there is none, and others hold it, they
 * are looked for at the socket's next transition.
 */
__noinline int process_exit_socket(__u64 fdt, __u32 fd)
{
	struct file *file = fdtable_file((const struct fdtable *)fdt, fd);
	struct sock *sk = file_sock(file);
	struct lifecycle *l = sk ? connection_find(sock_key_by_address(sk)) : NULL;
	__u64 heir;

	if (cfg_skip_owner || !l || l->waits & LIFECYCLE_WAITING || l->marks & LIFECYCLE_TW)
		return 0;
	if (file_references(file) == 1 && !process_shares_table()) {
		exit_own(l, fd);
		return 0;
	}
	if (l->owner == TCPDWELL_OWNER_NONE || l->pid != bpf_get_current_pid_tgid() >> 32)
		return 0;
	heir = child_holder(bpf_get_current_task(), fd, (__u64)file);
	if (heir)
		holder_become(l, heir, fd);
	return 0;
}

/*
 * ---- Each socket of the running process ---------------------------------------------------------
 *
 * The table of descriptors is walked in three loops, one in the other: stretches of the table,
 * words of a stretch, descriptors of a word. The verifier goes through each turn of a loop, but
 * only once through a global function of numbers. So what a turn does is such a function.
 *
 * There is a set of these functions for each event, not one set with the event as an argument:
 * kernels before 5.12 refuse a program that contains an atomic exchange, even if it is never
 * reached.
 */

/* Words of one stretch. */
#define STRETCH_WORDS 32

/*
 * Stretches of the table that are looked at: 65536 descriptors of a process that execs, for what it
 * closes then is gone already. One that ends has all that it has, and nothing else runs on this CPU
 * meanwhile: 8192.
 */
#define EXEC_STRETCHES 32
#define EXIT_STRETCHES 4

/* What one turn of a loop does: @number is that of a descriptor, or of a word of the bitmap. */
typedef int fdtable_turn(__u64 fdt, __u32 number);

/* Calls @socket for each open descriptor of a word of the table's bitmap. */
static __always_inline int word_each(__u64 fdt, __u32 word, fdtable_turn *socket)
{
	unsigned long *open_fds = BPF_CORE_READ((const struct fdtable *)fdt, open_fds), open = 0;

	bpf_probe_read_kernel(&open, sizeof(open), &open_fds[word]);
	for (__u32 bit = 0; bit < 64 && open; bit++, open >>= 1)
		if (open & 1)
			socket(fdt, word * 64 + bit);
	return 0;
}

/* Calls @each_word for each word of the stretch that begins at @word. */
static __always_inline int stretch_each(__u64 fdt, __u32 word, fdtable_turn *each_word)
{
	__u32 max_fds = BPF_CORE_READ((const struct fdtable *)fdt, max_fds);

	for (__u32 i = 0; i < STRETCH_WORDS && word * 64 < max_fds; i++, word++)
		each_word(fdt, word);
	return 0;
}

/* Calls @stretch for each of the first @stretches stretches of the running process's table. */
static __always_inline void table_each(__u32 stretches, fdtable_turn *stretch)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 fdt = (__u64)BPF_CORE_READ(task, files, fdt);
	__u32 max_fds = BPF_CORE_READ((const struct fdtable *)fdt, max_fds);
	__u32 last = stretches * STRETCH_WORDS;

	for (__u32 word = 0; word < last && word * 64 < max_fds; word += STRETCH_WORDS)
		stretch(fdt, word);
}

/* Defines NAME(), which has NAME_socket() called for each socket of the running process. */
#define DEFINE_TABLE_WALK(name, stretches)                   \
	__noinline int name##_word(__u64 fdt, __u32 word)    \
	{                                                    \
		return word_each(fdt, word, name##_socket);  \
	}                                                    \
	__noinline int name##_stretch(__u64 fdt, __u32 word) \
	{                                                    \
		return stretch_each(fdt, word, name##_word); \
	}                                                    \
	static __always_inline void name(void)               \
	{                                                    \
		table_each(stretches, name##_stretch);       \
	}

DEFINE_TABLE_WALK(process_exec, EXEC_STRETCHES)
DEFINE_TABLE_WALK(process_exec_v511, EXEC_STRETCHES)
DEFINE_TABLE_WALK(process_exit, EXIT_STRETCHES)

#endif /* TCPDWELL_PROCESS_BPF_H */
