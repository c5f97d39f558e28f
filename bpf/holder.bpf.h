/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether the owner of a socket still holds it, and who does if not.
 *
 * A descriptor may be passed on without a transition: to a child, to another program, through a
 * unix socket. So when a process listens, connects, accepts or calls shutdown(), it is noted in
 * which table of descriptors it has the socket, and under which number. Before the process is named
 * for something that a softirq did, that entry is looked at again. If the socket is not there, its
 * holder is a process that waits for the socket, or a child that has it under the same number.
 * Otherwise nobody can be named. To look into a table costs a few loads of memory. The rest runs
 * only if other processes have the socket too, or the owner has it no more.
 *
 * Helpers or typed pointers (read.bpf.h) read everything, so these functions serve every type of
 * program. The verifier looks at the functions that take only numbers once. They have small frames,
 * because they are called at the end of the deepest chain of calls of a transition.
 */
#ifndef TCPDWELL_HOLDER_BPF_H
#define TCPDWELL_HOLDER_BPF_H

#include "connection.bpf.h"
#include "descriptor.bpf.h"
#include "letting_go.bpf.h"
#include "waiter.bpf.h"

/*
 * ---- What is noted ------------------------------------------------------------------------------
 */

/*
 * Notes that the owner of @l has the socket as descriptor @fd in the table of @task; an @fd of -1
 * means that the place is not known. While rows of a connection wait, these members hold other
 * things.
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
	l->task = task + (fd & LIFECYCLE_FD_BITS); /* it may be a pointer to the verifier */
	if (lifecycle_has_fd(l))
		l->fd = fd;
}

/*
 * Makes the process of @task, which has the socket as @fd, the owner. How the owner is known stays
 * as it was; if no owner was known, it becomes TCPDWELL_OWNER_SCAN.
 */
static __always_inline void holder_become(struct lifecycle *l, __u64 address, int fd)
{
	const struct task_struct *task = (const struct task_struct *)address;
	const struct task_struct *leader = PEEK(task_struct, task, group_leader);
	__u8 how = l->owner ?: TCPDWELL_OWNER_SCAN;

	owner_leave(l, false); /* this is rare, and runs on kernels of any age */
	bpf_core_read(l->comm, OWNER_COMM_LEN, &leader->comm);
	l->holders = 0;
	holder_note(l, task_of_table(task), fd);
	cgroup_match_task(l, address);
	owner_come(l, PEEK(task_struct, task, tgid), how, false);
	owner_match(l);
}

/*
 * Notes where the running process, which is the owner of @sk, has it. As a rule the descriptor is
 * the first argument of the system call. That is not so for a ring of io_uring, which is given
 * another one, nor for a descriptor that is being closed, which is gone already.
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

/* Threads that are asked for a table if the first thread of a process has ended. */
#define THREADS 8

/*
 * Returns a thread of process @pid that has a table, if its first thread at @address has none; 0 if
 * none is found.
 */
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
 * Returns whether @task has @file at @place (lifecycle_place()), or with @perhaps whether it may
 * have it there.
 */
static __always_inline bool task_has_at(const struct task_struct *task, __u32 place,
					const void *file, const bool perhaps)
{
	int fd;

	if (!(place & LIFECYCLE_FD_NEAR))
		return task_file(task, place) == file;
	fd = near_fd((__u64)task, place, address_of(file));
	return fd >= 0 || (perhaps && fd == FD_BEYOND);
}

/*
 * Returns whether the owner of @l still has @file where it had it; true if that cannot be found
 * out. The task's memory may be another's meanwhile. So only the whole is believed: the process
 * with that PID, and that file behind that descriptor. A file may lead to a socket of MPTCP, and
 * then it is the file of that socket's subflows, too.
 */
static __always_inline bool holder_has(const struct lifecycle *l, const struct file *file)
{
	const struct task_struct *task = (const struct task_struct *)lifecycle_task(l);

	if (!lifecycle_has_task(l, cfg_life))
		return true;
	if ((__u32)PEEK(task_struct, task, tgid) != l->pid)
		return false;
	if (!PEEK(task_struct, task, files))
		task = (const struct task_struct *)thread_with_table(lifecycle_task(l), l->pid);
	return task && file && task_has_at(task, lifecycle_place(l), file, true);
}

/*
 * Returns whether the owner of the listener @sk still holds it; true if that is not known. A
 * process that ends loses its table of descriptors before its listeners are closed one by one.
 */
static __always_inline bool listener_is_held(const struct lifecycle *l, const struct sock *sk)
{
	const struct socket *socket;

	if (l->waits & LIFECYCLE_LAST)
		return true;
	socket = PEEK(sock, sk, sk_socket);
	return holder_has(l, socket ? PEEK(socket, socket, file) : NULL);
}

/*
 * Gives a connection what it has from its listener until it is accepted: the owner, if one is
 * known. For @inlined see connection_find().
 */
static __always_inline void listener_inherit(struct lifecycle *child, const struct sock *sk,
					     const bool inlined)
{
	const struct lifecycle *listener;
	__u64 key;

	if (cfg_skip_owner)
		return;
	key = sock_key_by_address(sk);
	listener = inlined ? connection_find_inline(key) : connection_find(key);
	if (!listener || listener->state != TCPDWELL_LISTEN)
		return;
	child->waits |= listener->waits & LIFECYCLE_IN_CGROUP;
	if (listener_is_held(listener, sk))
		owner_inherit(child, listener);
}

/*
 * ---- Who else has it ----------------------------------------------------------------------------
 */

/*
 * Returns what stands before @node in a list. It is a function of numbers, so a loop that calls it
 * is short in each of its turns, through which the verifier goes one by one.
 */
__noinline __u64 list_before(__u64 node)
{
	return (__u64)BPF_CORE_READ((struct list_head *)node, prev);
}

/* Children that are looked at, the youngest first. */
#define CHILDREN 64

/*
 * The most descriptors, from 0 on, at which a server may put the connection for a program that it
 * starts for it.
 */
#define FIRST_FDS 4

/* Returns whether the child at @address has @file at @place, or as one of the first descriptors. */
__noinline int child_has(__u64 address, __u32 place, __u64 file)
{
	const struct task_struct *child = (const struct task_struct *)address;

	if (task_has_at(child, place, (void *)file, false))
		return 1;
	for (__u32 fd = 0; fd < FIRST_FDS; fd++)
		if ((__u64)task_file(child, fd) == file)
			return 1;
	return 0;
}

/*
 * Returns the child of @address that has the file which its parent had at @place; 0 if there is
 * none.
 */
__noinline __u64 child_holder(__u64 address, __u32 place, __u64 file)
{
	const struct task_struct *task = (const struct task_struct *)address;
	__u64 head = address + bpf_core_field_offset(struct task_struct, children), child;
	__u64 node = (__u64)BPF_CORE_READ(task, children.prev);

	for (int i = 0; i < CHILDREN && node && node != head; i++) {
		child = node - bpf_core_field_offset(struct task_struct, sibling);
		if (child_has(child, place, file))
			return child;
		node = list_before(node);
	}
	return 0;
}

/* Returns whether a task may have files to which none of its descriptors leads. */
static __always_inline bool task_has_ring(const struct task_struct *task)
{
	return bpf_core_field_exists(task->io_uring) && BPF_CORE_READ(task, io_uring);
}

/*
 * Returns whether the owner of @l may still hold @file, though not where it had it. If the file is
 * found, its place is noted. If the place was a guess and the table is larger than the part that is
 * looked at, the owner may still hold it.
 */
static __always_inline bool owner_has_moved(struct lifecycle *l, __u64 file)
{
	const struct task_struct *task = (const struct task_struct *)lifecycle_task(l);
	int fd;

	if ((__u32)BPF_CORE_READ(task, tgid) != l->pid || !BPF_CORE_READ(task, files))
		return false;
	fd = task_fd((__u64)task, file);
	if (fd < 0) { /* a thread's own table is a copy of the process's */
		task = BPF_CORE_READ(task, group_leader);
		if ((__u64)task != lifecycle_task(l))
			fd = task_fd((__u64)task, file);
	}
	if (fd < 0)
		return lifecycle_has_fd(l) && l->fd & LIFECYCLE_FD_GUESSED &&
		       BPF_CORE_READ(task, files, fdt, max_fds) > PROCESS_FDS;
	holder_note(l, (__u64)task, fd);
	return true;
}

/* The process of @task has @file, and becomes the owner of @l. */
static __always_inline void holder_found(struct lifecycle *l, __u64 task, __u64 file)
{
	holder_become(l, task, task_fd(task, file));
}

/*
 * Finds out who holds the socket at @address, if others than the owner of its connection @key may
 * hold it. @has says whether the owner has it where it had it. A process that waits for the socket
 * becomes the owner. Otherwise the owner stays if it still holds the socket. If it does not, a
 * child of it that has the file becomes the owner, or else nobody is.
 */
__noinline int holder_settle(__u64 address, __u64 key, __u32 has)
{
	__u64 file = (__u64)BPF_CORE_READ((struct sock *)address, sk_socket, file), task;
	struct lifecycle *l = connection_find(key);
	__u64 owner;
	bool is_owner;

	if (!l || !file)
		return 0;
	task = socket_waiter(address, file);
	if (task && (__u32)BPF_CORE_READ((struct task_struct *)task, tgid) != l->pid) {
		holder_found(l, task, file);
		return 0;
	}
	if (has)
		return 0;
	owner = lifecycle_task(l);
	is_owner = (__u32)BPF_CORE_READ((struct task_struct *)owner, tgid) == l->pid;
	if (is_owner && owner_lets_go(owner, lifecycle_place(l), file))
		return 0;
	if (owner_has_moved(l, file) || task)
		return 0;
	if (is_owner)
		task = child_holder(owner, lifecycle_place(l), file);
	if (task)
		holder_found(l, task, file);
	else
		*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_NONE;
	return 0;
}

/*
 * Returns whether holder_settle() is to be called before a transition that was not caused by a task
 * closing the socket: -1 for no, else the argument @has. It is to be called if others have the
 * socket besides the owner, or if the owner has it no more. A process that closes the socket has
 * let go of its descriptor already.
 *
 * It is not inlined, to spare its caller's stack. It is static, so that it takes the socket as a
 * typed pointer.
 */
static __noinline int holder_doubt(const struct lifecycle *l, const struct sock *sk)
{
	const struct socket *socket = PEEK(sock, sk, sk_socket);
	const struct file *file = socket ? PEEK(socket, socket, file) : NULL;
	__s64 references;
	bool has;

	if (!file || l->waits & LIFECYCLE_LAST)
		return -1;
	references = file_references(file);
	has = holder_has(l, file);
	return has && references == 1 ? -1 : has;
}

/* Runs before the owner of @l is named for a transition of @sk to @to. */
static __always_inline void holder_ask(const struct lifecycle *l, const struct sock *sk, __u64 key,
				       __u8 from, __u8 to)
{
	int has;

	/*
	 * Listeners are looked at when they are to name somebody. A process causes the other
	 * transitions. Where one record at the end tells all, it is soon enough to look when that
	 * is made.
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
