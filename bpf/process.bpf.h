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
#include "deferred.bpf.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000

/*
 * Descriptors that are looked at when a process execs or ends. What outlives an exec, or is what a
 * daemon listens on, was opened early.
 */
#define PROCESS_FDS 1024

/* Children that are asked whether they have a listener of their dying parent. */
#define PROCESS_CHILDREN 8

/* The socket that a file stands for, or NULL. */
static __always_inline const struct socket *file_socket(const struct file *file)
{
	const struct inode *inode;

	if (!file)
		return NULL;
	inode = PEEK(file, file, f_inode);
	if ((PEEK(inode, inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return PEEK(file, file, private_data);
}

/* What is behind it, or NULL. The caller finds out whether it is one that is known. */
static __always_inline struct sock *file_sock(const struct file *file)
{
	const struct socket *socket = file_socket(file);

	return socket ? PEEK(socket, socket, sk) : NULL;
}

static __always_inline struct file *fdtable_file(const struct fdtable *fdt, __u32 fd)
{
	struct file **files = PEEK(fdtable, fdt, fd), *file = NULL;

	if (fd < PEEK(fdtable, fdt, max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), &files[fd]);
	return file;
}

/* The socket behind a descriptor of the running process, or NULL. */
static __always_inline struct sock *current_sock(__u32 fd)
{
	const void *task = (const void *)bpf_get_current_task();
	const struct files_struct *files = PEEK(task_struct, task, files);

	return file_sock(fdtable_file(PEEK(files_struct, files, fdt), fd));
}

/* Kernel ABI: include/linux/socket.h, include/uapi/linux/netlink.h. */
#define AF_NETLINK	  16
#define NETLINK_SOCK_DIAG 4

/*
 * Whether the running process asks sock_diag for something by a message, as `ss -K` does to end a
 * socket (SOCK_DESTROY). Segments that a softirq takes in on top of it just then are mistaken for
 * that.
 *
 * A function of its own: the verifier looks at it once, not at each call.
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
		struct task_struct *child = (void *)next -
					    bpf_core_field_offset(struct task_struct, sibling);

		if (fdtable_file(BPF_CORE_READ(child, files, fdt), fd) == file)
			return child;
		next = BPF_CORE_READ(next, next);
	}
	return NULL;
}

/*
 * Note where the owner of a listener has it, so that it can be asked later whether it still does.
 */
static __always_inline void listener_held_by(struct lifecycle *l, const struct task_struct *task,
					     int fd)
{
	l->task = fd < 0 ? 0 : (__u64)task;
	if (fd >= 0)
		l->fd = fd;
}

/*
 * Descriptors that one call looks at. The verifier walks through each turn of a loop but through a
 * function of numbers once: it takes the square root of PROCESS_FDS twice instead of all of them.
 */
#define FD_STRETCH 32

/* The first descriptor of @file from @first on, before the next stretch, or -1. */
__noinline int stretch_fd(__u64 fdt, __u32 first, __u64 file)
{
	const struct fdtable *table = (const struct fdtable *)fdt;
	__u64 files = (__u64)PEEK(fdtable, table, fd), at;
	__u32 max_fds = PEEK(fdtable, table, max_fds);

	files += first * sizeof(at);
	for (__u32 i = 0; i < FD_STRETCH; i++) {
		if (first + i >= max_fds)
			break;
		if (!bpf_probe_read_kernel(&at, sizeof(at), (void *)(files + i * sizeof(at))) &&
		    at == file)
			return first + i;
	}
	return -1;
}

/* The running process's descriptor of @file among its first, or -1. */
__noinline int current_fd(__u64 file)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	const struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	__u32 max_fds = BPF_CORE_READ(fdt, max_fds);
	int fd = -1;

	for (__u32 first = 0; first < PROCESS_FDS && first < max_fds && fd < 0; first += FD_STRETCH)
		fd = stretch_fd((__u64)fdt, first, file);
	return fd;
}

/*
 * The running process is the owner of listener @sk: it listens, or accepts from what it was given.
 */
static __always_inline void listener_own(struct lifecycle *l, const struct sock *sk)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	listener_held_by(l, BPF_CORE_READ(task, group_leader),
			 current_fd((__u64)BPF_CORE_READ(sk, sk_socket, file)));
}

/*
 * Whether the owner of listener @sk still holds it: it may have passed it on and closed it, or have
 * ended. The task's memory may be another's by now, so nothing there is believed but the whole:
 * that process, with that socket behind that descriptor.
 */
static __always_inline bool listener_is_held(const struct lifecycle *l, const struct sock *sk)
{
	const struct task_struct *task = (const struct task_struct *)l->task;
	const struct files_struct *files;
	const struct socket *socket;

	if (!task)
		return true; /* behind a high descriptor: not to be found out */
	if ((__u32)PEEK(task_struct, task, tgid) != l->pid)
		return false;
	files = PEEK(task_struct, task, files);
	if (!files) /* the first thread has ended; the others may go on */
		return BPF_CORE_READ(task, signal, live.counter) > 0;
	/* Behind that socket may be MPTCP's own, which leads to this one. */
	socket = file_socket(fdtable_file(PEEK(files_struct, files, fdt), l->fd));
	return socket && socket == PEEK(sock, sk, sk_socket);
}

/*
 * What a connection has of its listener until it is accepted: the owner, if it is one. How it is
 * looked for: see connection_find().
 */
static __always_inline void listener_inherit(struct lifecycle *child, const struct sock *sk,
					     const bool in_place)
{
	const struct lifecycle *listener;
	__u64 key;

	if (cfg_skip_owner)
		return;
	key = sock_key_by_address(sk);
	listener = in_place ? connection_find_in_place(key) : connection_find(key);
	if (listener && listener->state == TCPDWELL_LISTEN && listener_is_held(listener, sk))
		owner_inherit(child, listener);
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
	if (!heir)
		return; /* asked whether it holds the listener, the process will say no */
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_NONE;
	bpf_core_read(l->comm, OWNER_COMM_LEN, &heir->comm);
	l->pid = BPF_CORE_READ(heir, tgid);
	listener_held_by(l, heir, fd);
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_LISTEN;
	owner_match(l);
}

/* Descriptor @fd of the running process, which has exec'd. */
static __always_inline int exec_socket(__u64 fdt, __u32 fd, const bool atomic)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct sock *sk = file_sock(fdtable_file((const struct fdtable *)fdt, fd));
	struct lifecycle *l = sk ? connection_find(sock_key_by_address(sk)) : NULL;
	struct tcpdwell_counters *c = counters_here();
	struct endpoint e;

	if (!l || !c)
		return 0;
	if (connection_take(l, LIFECYCLE_DEFERRED, atomic)) {
		endpoint_read(&e, sk, false);
		release_deferred(c, sk, &e, l); /* under the name that it connected by */
	}
	rename_owner(l, task, bpf_get_current_pid_tgid() >> 32);
	return 0;
}

/* These take numbers alone, so the verifier looks at each once and not in each turn of a loop. */
__noinline int process_exec_socket(__u64 fdt, __u32 fd)
{
	return exec_socket(fdt, fd, true);
}

__noinline int process_exec_socket_v511(__u64 fdt, __u32 fd)
{
	return exec_socket(fdt, fd, false);
}

__noinline int process_exit_socket(__u64 fdt, __u32 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct file *file = fdtable_file((const struct fdtable *)fdt, fd);
	struct sock *sk = file_sock(file);
	struct lifecycle *l = sk ? connection_find(sock_key_by_address(sk)) : NULL;

	if (l)
		bequeath_listener(l, task, bpf_get_current_pid_tgid() >> 32, fd, file);
	return 0;
}

/* What is called with each open descriptor of the running process. */
enum process_event {
	PROCESS_EXEC,
	PROCESS_EXEC_V511,
	PROCESS_EXIT,
};

/* Those of one word of the table's bitmap. */
static __always_inline int process_word(__u64 fdt, __u32 word, const enum process_event event)
{
	unsigned long *open_fds = BPF_CORE_READ((const struct fdtable *)fdt, open_fds), open = 0;

	bpf_probe_read_kernel(&open, sizeof(open), &open_fds[word]);
	for (__u32 bit = 0; bit < 64 && open; bit++, open >>= 1) {
		__u32 fd = word * 64 + bit;

		if (!(open & 1))
			continue;
		if (event == PROCESS_EXEC)
			process_exec_socket(fdt, fd);
		else if (event == PROCESS_EXEC_V511)
			process_exec_socket_v511(fdt, fd);
		else
			process_exit_socket(fdt, fd);
	}
	return 0;
}

__noinline int process_exec_word(__u64 fdt, __u32 word)
{
	return process_word(fdt, word, PROCESS_EXEC);
}

__noinline int process_exec_word_v511(__u64 fdt, __u32 word)
{
	return process_word(fdt, word, PROCESS_EXEC_V511);
}

__noinline int process_exit_word(__u64 fdt, __u32 word)
{
	return process_word(fdt, word, PROCESS_EXIT);
}

static __always_inline void process_sockets(const enum process_event event)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	__u32 max_fds = BPF_CORE_READ(fdt, max_fds);

	for (__u32 word = 0; word < PROCESS_FDS / 64 && word * 64 < max_fds; word++) {
		if (event == PROCESS_EXEC)
			process_exec_word((__u64)fdt, word);
		else if (event == PROCESS_EXEC_V511)
			process_exec_word_v511((__u64)fdt, word);
		else
			process_exit_word((__u64)fdt, word);
	}
}

#endif /* TCPDWELL_PROCESS_BPF_H */
