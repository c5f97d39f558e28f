/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Processes and the sockets in their descriptor tables.
 *
 * Nothing here is on the path of a transition. All pointers are read by helpers, so these serve
 * every type of program.
 */
#ifndef TCPDWELL_PROCESS_BPF_H
#define TCPDWELL_PROCESS_BPF_H

#include "connection.bpf.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000

/*
 * Descriptors that are looked at when a process execs or ends. What outlives an exec, or is what a
 * daemon listens on, was opened early.
 */
#define PROCESS_FDS 256

/* Children that are asked whether they have a listener of their dying parent. */
#define PROCESS_CHILDREN 8

/* The socket behind a file, or NULL. The caller finds out whether it is one that is known. */
static __always_inline struct sock *file_sock(const struct file *file)
{
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline struct file *fdtable_file(const struct fdtable *fdt, __u32 fd)
{
	struct file **files = BPF_CORE_READ(fdt, fd), *file = NULL;

	if (fd < BPF_CORE_READ(fdt, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/* The socket behind a descriptor of the running process, or NULL. */
static __always_inline struct sock *current_sock(__u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	return file_sock(fdtable_file(BPF_CORE_READ(task, files, fdt), fd));
}

/* exec: the process keeps its number and its sockets, and takes another name. */
static __always_inline void rename_owner(struct lifecycle *l, const struct task_struct *task,
					 __u32 pid)
{
	__u8 how = l->owner;

	if (how == TCPDWELL_OWNER_NONE || l->pid != pid)
		return;
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_NONE;
	bpf_core_read(l->comm, OWNER_COMM_LEN, &task->comm);
	*(volatile __u8 *)&l->owner = how;
	owner_match(l);
}

/* The child of @task, if any, that has the same file behind the same descriptor. */
static __always_inline struct task_struct *child_with_file(struct task_struct *task, __u32 fd,
							   const struct file *file)
{
	struct list_head *head = &task->children, *next = BPF_CORE_READ(task, children.next);

	for (int i = 0; i < PROCESS_CHILDREN && next && next != head; i++) {
		struct task_struct *child =
			(void *)next - bpf_core_field_offset(struct task_struct, sibling);

		if (fdtable_file(BPF_CORE_READ(child, files, fdt), fd) == file)
			return child;
		next = BPF_CORE_READ(next, next);
	}
	return NULL;
}

/*
 * The end of the process that a listener is known by. A daemon's parent leaves it to a child;
 * if there is none that has it, nobody can be named until somebody else acts on it.
 */
static __always_inline void bequeath_listener(struct lifecycle *l, struct task_struct *task,
					      __u32 pid, __u32 fd, const struct file *file)
{
	struct task_struct *heir;

	if (l->state != TCPDWELL_LISTEN || l->owner == TCPDWELL_OWNER_NONE || l->pid != pid)
		return;
	heir = child_with_file(task, fd, file);
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_NONE;
	if (!heir)
		return;
	bpf_core_read(l->comm, OWNER_COMM_LEN, &heir->comm);
	l->pid = BPF_CORE_READ(heir, tgid);
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_LISTEN;
	owner_match(l);
}

/* What can happen to a process. */
enum process_event {
	PROCESS_EXECS,
	PROCESS_ENDS,
};

/* One descriptor of the running process. Numbers alone, so the verifier looks at it once. */
__noinline int process_socket(__u64 fdt, __u32 fd, __u32 event)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file *file = fdtable_file((const struct fdtable *)fdt, fd);
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct sock *sk = file_sock(file);
	struct lifecycle *l = sk ? connection_find(sock_key_by_address(sk)) : NULL;

	if (!l)
		return 0;
	if (event == PROCESS_ENDS)
		bequeath_listener(l, task, pid, fd, file);
	else
		rename_owner(l, task, pid);
	return 0;
}

static __always_inline void process_sockets(__u32 event)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	unsigned long *open_fds = BPF_CORE_READ(fdt, open_fds);
	__u32 max_fds = BPF_CORE_READ(fdt, max_fds);
	unsigned long open = 0;

	for (__u32 fd = 0; fd < PROCESS_FDS && fd < max_fds; fd++) {
		if (fd % 64 == 0)
			bpf_probe_read_kernel(&open, sizeof(open), &open_fds[fd / 64]);
		if (open >> (fd % 64) & 1)
			process_socket((__u64)fdt, fd, event);
	}
}

#endif /* TCPDWELL_PROCESS_BPF_H */
