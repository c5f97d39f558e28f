/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether the owner of a socket still holds it, and who does if not.
 *
 * A descriptor may be passed on without a transition: to a child, to another program, through a
 * unix socket. So of who listens, connects, accepts or calls shutdown() it is noted in which table
 * of descriptors it has the socket and where, and that place is looked at again before it is named
 * for what a softirq did. If it is not there, who waits for the socket holds it, or a child that
 * has it in the same place; else nobody can be named. To ask a table costs a few loads of memory;
 * all else is for what others have, too, or alone.
 *
 * All pointers are read by helpers or as typed ones (read.bpf.h), so these serve every type of
 * program. The functions that take numbers alone are looked at by the verifier once, and have small
 * frames: they stand beside the deepest chain of calls of a transition.
 */
#ifndef TCPDWELL_HOLDER_BPF_H
#define TCPDWELL_HOLDER_BPF_H

#include "connection.bpf.h"
#include "descriptor.bpf.h"

/*
 * ---- What is noted ------------------------------------------------------------------------------
 */

/*
 * The owner of @l has it as descriptor @fd in the table of @task, negative: nobody knows where. Of
 * a connection whose rows wait other things are noted in that place.
 */
static __always_inline void holder_note(struct lifecycle *l, __u64 task, __u32 fd)
{
	if (l->waits & LIFECYCLE_WAITING || l->marks & LIFECYCLE_TW)
		return;
	if (cfg_life && l->state != TCPDWELL_LISTEN && !lifecycle_has_object(l))
		return;
	if ((__s32)fd == -1) {
		l->task = 0;
		return;
	}
	l->task = task;
	if (lifecycle_has_fd(l))
		l->fd = fd;
}

/*
 * Make the process of @task, which has the socket as @fd, the owner. How the connection came to be
 * is known as before; where nobody was known, it was found.
 */
static __always_inline void holder_become(struct lifecycle *l, __u64 address, int fd)
{
	const struct task_struct *task = (const struct task_struct *)address;
	const struct task_struct *leader = PEEK(task_struct, task, group_leader);
	__u8 how = l->owner ?: TCPDWELL_OWNER_SCAN;

	owner_leave(l, false); /* seldom, and on kernels of any age */
	bpf_core_read(l->comm, OWNER_COMM_LEN, &leader->comm);
	l->holders = 0;
	holder_note(l, task_of_table(task), fd);
	cgroup_match_task(l, address);
	owner_come(l, PEEK(task_struct, task, tgid), how, false);
	owner_match(l);
}

/*
 * The running process is the owner of @sk and has it. The system call that it is in has been given
 * the descriptor, as a rule: of a ring it has another, and of what it closes none any more.
 */
static __always_inline void holder_here(struct lifecycle *l, const struct sock *sk)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	const struct file *file = BPF_CORE_READ(sk, sk_socket, file);
	const struct pt_regs *regs;
	__u32 fd;

	if (cfg_skip_owner || !file || !file_references(file))
		return;
	regs = current_registers();
	fd = PT_REGS_PARM1_CORE_SYSCALL(regs);
	if (task_file(task, fd) != file)
		fd = task_fd((__u64)task, (__u64)file);
	holder_note(l, task_of_table(task), fd);
}

/*
 * ---- Whether it is still so ---------------------------------------------------------------------
 */

/* Threads that are asked for a table where the first of a process has ended. */
#define THREADS 8

/* A thread of process @pid that has a table, while its first one at @address has none; or 0. */
__noinline __u64 thread_with_table(__u64 address, __u32 pid)
{
	const struct task_struct *task = (const struct task_struct *)address;
	const struct signal_struct *signal = BPF_CORE_READ(task, signal);
	__u64 node = (__u64)BPF_CORE_READ(signal, thread_head.next);

	for (int i = 0; i < THREADS && node; i++) {
		task = (void *)node - bpf_core_field_offset(struct task_struct, thread_node);
		if (BPF_CORE_READ(task, signal) != signal ||
		    (__u32)BPF_CORE_READ(task, tgid) != pid)
			return 0; /* the memory is another's, or this is the head of the list */
		if (BPF_CORE_READ(task, files))
			return (__u64)task;
		node = (__u64)BPF_CORE_READ((struct list_head *)node, next);
	}
	return 0;
}

/*
 * Whether the owner of @l still has @file where it had it; true where that is not to be found out.
 * The task's memory may be another's by now, so nothing there is believed but the whole: that
 * process, with that file behind that descriptor. Behind a file may be MPTCP's own socket, whose
 * file is that of the sockets that it leads to.
 */
static __always_inline bool holder_has(const struct lifecycle *l, const struct file *file)
{
	const struct task_struct *task = (const struct task_struct *)l->task;

	if (!lifecycle_has_task(l, cfg_life))
		return true;
	if ((__u32)PEEK(task_struct, task, tgid) != l->pid)
		return false;
	if (!PEEK(task_struct, task, files))
		task = (const struct task_struct *)thread_with_table(l->task, l->pid);
	if (!task || !lifecycle_has_fd(l))
		return task;
	return file && task_file(task, l->fd & ~LIFECYCLE_FD_GUESSED) == file;
}

/* The same of the listener @sk. */
static __always_inline bool listener_is_held(const struct lifecycle *l, const struct sock *sk)
{
	const struct socket *socket = PEEK(sock, sk, sk_socket);

	return holder_has(l, socket ? PEEK(socket, socket, file) : NULL);
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
	if (!listener || listener->state != TCPDWELL_LISTEN)
		return;
	child->waits |= listener->waits & LIFECYCLE_IN_CGROUP;
	if (listener_is_held(listener, sk))
		owner_inherit(child, listener);
}

/*
 * ---- Who waits ----------------------------------------------------------------------------------
 */

/* Entries of a wait queue that are looked at. */
#define WAITERS 4

/*
 * Whether a task of a living process is at @address, where anything may be. The first thread of a
 * process is the first of itself, and has what all have.
 */
static __always_inline bool is_task(const struct task_struct *task)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u32 pid = BPF_CORE_READ(task, tgid);

	return pid && leader && BPF_CORE_READ(leader, group_leader) == leader &&
	       (__u32)BPF_CORE_READ(leader, tgid) == pid &&
	       BPF_CORE_READ(leader, signal) == BPF_CORE_READ(task, signal) &&
	       BPF_CORE_READ(task, files);
}

/* The entry of a wait queue whose list is at @node. */
static __always_inline struct wait_queue_entry *wait_entry(__u64 node)
{
	return (void *)node - bpf_core_field_offset(struct wait_queue_entry, entry);
}

/*
 * Who waits by epoll for @file, at whose wait queue @node is the entry, or 0. An epoll keeps a file
 * in it that others alone still have, so who sleeps there must have it where that was added.
 */
__noinline __u64 epoll_waiter(__u64 node, __u64 file)
{
	const struct eppoll_entry *entry = (void *)wait_entry(node) -
					   bpf_core_field_offset(struct eppoll_entry, wait);
	const struct epitem *item = BPF_CORE_READ(entry, base);
	const struct list_head *head, *first;
	const struct task_struct *task;

	if ((__u64)BPF_CORE_READ(item, ffd.file) != file)
		return 0; /* it is something else */
	head = (void *)BPF_CORE_READ(item, ep) + bpf_core_field_offset(struct eventpoll, wq.head);
	first = BPF_CORE_READ(head, next);
	if (!first || first == head)
		return 0;
	task = BPF_CORE_READ(wait_entry((__u64)first), private);
	if (!is_task(task) || (__u64)task_file(task, BPF_CORE_READ(item, ffd.fd)) != file)
		return 0;
	return (__u64)task;
}

/*
 * Whose the entry @node of a socket's wait queue is, or 0: a task in a call on the socket, which is
 * there itself, one in poll() or select(), or one in epoll_wait(). The first two hold the file.
 */
static __always_inline __u64 waiter(__u64 node, __u64 file)
{
	void *private = BPF_CORE_READ(wait_entry(node), private);
	const struct task_struct *task = private;

	if (!private)
		return epoll_waiter(node, file);
	if (is_task(task))
		return (__u64)task;
	task = BPF_CORE_READ((struct poll_wqueues *)private, polling_task);
	return is_task(task) ? (__u64)task : 0;
}

/* The first that waits for the socket at @sk, whose file is @file, or 0. */
__noinline __u64 socket_waiter(__u64 sk, __u64 file)
{
	const struct socket_wq *wq = BPF_CORE_READ((struct sock *)sk, sk_wq);
	__u64 head = (__u64)wq + bpf_core_field_offset(struct socket_wq, wait.head), found;
	__u64 node = (__u64)BPF_CORE_READ(wq, wait.head.next);

	for (int i = 0; wq && i < WAITERS && node && node != head; i++) {
		found = waiter(node, file);
		if (found)
			return found;
		node = (__u64)BPF_CORE_READ((struct list_head *)node, next);
	}
	return 0;
}

/*
 * ---- Who else has it ----------------------------------------------------------------------------
 */

/* Children that are asked, the youngest first. */
#define CHILDREN 64

/* Where a server that starts another program for each connection puts it, at the most. */
#define FIRST_FDS 4

/* Whether the child at @address has @file as @fd, or as one of the first. */
__noinline int child_has(__u64 address, __u32 fd, __u64 file)
{
	const struct task_struct *child = (const struct task_struct *)address;

	if ((__u64)task_file(child, fd) == file)
		return 1;
	for (fd = 0; fd < FIRST_FDS; fd++)
		if ((__u64)task_file(child, fd) == file)
			return 1;
	return 0;
}

/* The child of @address, if any, that has the file which its parent had as @fd; else 0. */
__noinline __u64 child_holder(__u64 address, __u32 fd, __u64 file)
{
	const struct task_struct *task = (const struct task_struct *)address;
	__u64 head = address + bpf_core_field_offset(struct task_struct, children), child;
	__u64 node = (__u64)BPF_CORE_READ(task, children.prev);

	for (int i = 0; i < CHILDREN && node && node != head; i++) {
		child = node - bpf_core_field_offset(struct task_struct, sibling);
		if (child_has(child, fd, file))
			return child;
		node = (__u64)BPF_CORE_READ((struct list_head *)node, prev);
	}
	return 0;
}

/* Whether a task may have files that no descriptor of its leads to. */
static __always_inline bool task_has_ring(const struct task_struct *task)
{
	return bpf_core_field_exists(task->io_uring) && BPF_CORE_READ(task, io_uring);
}

/*
 * Whether the owner of @l may still hold @file, though not where it had it. If it is found, that is
 * noted; a table that is larger than what is looked at says nothing of a place that was a guess.
 */
static __always_inline bool owner_has_moved(struct lifecycle *l, __u64 file)
{
	const struct task_struct *task = (const struct task_struct *)l->task;
	int fd;

	if ((__u32)BPF_CORE_READ(task, tgid) != l->pid || !BPF_CORE_READ(task, files))
		return false;
	fd = task_fd(l->task, file);
	if (fd < 0) { /* a thread's own table is a copy of the process's */
		task = BPF_CORE_READ(task, group_leader);
		if ((__u64)task != l->task)
			fd = task_fd((__u64)task, file);
	}
	if (fd < 0)
		return l->fd & LIFECYCLE_FD_GUESSED &&
		       BPF_CORE_READ(task, files, fdt, max_fds) > PROCESS_FDS;
	holder_note(l, (__u64)task, fd);
	return true;
}

/* The process of @task has @file, and is the owner of @l. */
static __always_inline void holder_found(struct lifecycle *l, __u64 task, __u64 file)
{
	holder_become(l, task, task_fd(task, file));
}

/*
 * The socket at @address may be held by others than the owner of its connection @key alone; @has
 * says whether that one has it where it had. Who waits for it is named; the owner goes on to be if
 * it holds it.
 */
__noinline int holder_settle(__u64 address, __u64 key, __u32 has)
{
	__u64 file = (__u64)BPF_CORE_READ((struct sock *)address, sk_socket, file), task;
	struct lifecycle *l = connection_find(key);
	const struct task_struct *owner;

	if (!l || !file)
		return 0;
	task = socket_waiter(address, file);
	if (task && (__u32)BPF_CORE_READ((struct task_struct *)task, tgid) != l->pid) {
		holder_found(l, task, file);
		return 0;
	}
	if (has || owner_has_moved(l, file) || task)
		return 0;
	owner = (const struct task_struct *)l->task;
	if ((__u32)BPF_CORE_READ(owner, tgid) == l->pid)
		task = child_holder(l->task, l->fd & ~LIFECYCLE_FD_GUESSED, file);
	if (task)
		holder_found(l, task, file);
	else
		*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_NONE;
	return 0;
}

/*
 * Whether holder_settle() is to be asked of a socket of which a task that closes it has not caused
 * a transition: others have it besides the owner, or it has it no more; -1: no. Who closes it has
 * let go of its descriptor already.
 *
 * A function of its own, for the stack of its caller, and a static one, which takes the socket as
 * it is.
 */
static __noinline int holder_doubt(const struct lifecycle *l, const struct sock *sk)
{
	const struct socket *socket = PEEK(sock, sk, sk_socket);
	const struct file *file = socket ? PEEK(socket, socket, file) : NULL;
	__s64 references;
	bool has;

	if (!file)
		return -1;
	references = file_references(file);
	has = holder_has(l, file);
	return !references || (has && references == 1) ? -1 : has;
}

/* Before the owner of @l is named for a transition of @sk to @to. */
static __always_inline void holder_ask(const struct lifecycle *l, const struct sock *sk, __u64 key,
				       __u8 from, __u8 to)
{
	int has;

	/*
	 * Listeners are asked about when they are to name somebody; a process causes the others.
	 * One record of all is soon enough for whoever has it when that is made.
	 */
	if (cfg_skip_owner || !lifecycle_has_task(l, cfg_life) || l->owner == TCPDWELL_OWNER_NONE ||
	    (cfg_life && to != TCPDWELL_CLOSE) || from == TCPDWELL_LISTEN ||
	    to == TCPDWELL_LISTEN || to == TCPDWELL_FIN_WAIT1 || to == TCPDWELL_LAST_ACK)
		return;
	has = holder_doubt(l, sk);
	if (has >= 0)
		holder_settle(address_of(sk), key, has);
}

#endif /* TCPDWELL_HOLDER_BPF_H */
