/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The process that waits for a socket: in a call on it, in poll() or select(), or in epoll_wait().
 */
#ifndef TCPDWELL_WAITER_BPF_H
#define TCPDWELL_WAITER_BPF_H

#include "descriptor.bpf.h"

/* Entries of a wait queue that are looked at. */
#define WAITERS 4

/*
 * Returns whether a task of a living process is at @address, where anything may be. The first
 * thread of a process is its own group leader, and shares tgid and signal with all threads.
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

/* Returns the entry of a wait queue whose list node is @node. */
static __always_inline struct wait_queue_entry *wait_entry(__u64 node)
{
	return (void *)node - bpf_core_field_offset(struct wait_queue_entry, entry);
}

/*
 * Returns the task that waits by epoll for @file; 0 if there is none. @node is the epoll's entry in
 * the file's wait queue. An epoll keeps a file registered even when only other processes still have
 * it. So the task that sleeps there must have the file under the number with which it was added.
 */
__noinline __u64 epoll_waiter(__u64 node, __u64 file)
{
	const struct eppoll_entry *entry = (void *)wait_entry(node) -
					   bpf_core_field_offset(struct eppoll_entry, wait);
	const struct epitem *item = BPF_CORE_READ(entry, base);
	const struct list_head *head, *first;
	const struct task_struct *task;

	if ((__u64)BPF_CORE_READ(item, ffd.file) != file)
		return 0; /* the entry is something else */
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
 * Returns the task that the entry @node of a socket's wait queue belongs to; 0 if there is none. It
 * may be a task in a call on the socket, which is in the entry itself, a task in poll() or
 * select(), or a task in epoll_wait(). The first two hold the file.
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

/*
 * Returns the first task that waits for the socket at @sk, whose file is @file; 0 if there is none.
 */
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

#endif /* TCPDWELL_WAITER_BPF_H */
