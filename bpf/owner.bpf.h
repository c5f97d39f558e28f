/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who owns a connection, and whether an owner filter wants it.
 *
 * `current` is believed only where lifecycle_actor() or a hook in process context says that it
 * acts. A kernel thread (a late fput, a kernel's own socket) is never an owner, and neither is a
 * process that closes by accident (current_closes()).
 */
#ifndef TCPDWELL_OWNER_BPF_H
#define TCPDWELL_OWNER_BPF_H

#include "current.bpf.h"
#include "order.bpf.h"

/* Thread groups that -p names, or that descend from the program given after --. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} pids SEC(".maps");

#define OWNER_COMM_LEN (TCPDWELL_COMM_LEN - 1)

/*
 * ---- The cgroup that is wanted ------------------------------------------------------------------
 */

/* Returns whether @cgroup is the wanted one or below it. */
static __always_inline bool cgroup_is_wanted(const struct cgroup *cgroup)
{
	__u64 id = 0;

	if (!cgroup || (__u32)BPF_CORE_READ(cgroup, level) < cfg_cgroup_level)
		return false;
	if (bpf_core_field_exists(cgroup->ancestors)) {
		struct cgroup *ancestor = NULL;

		bpf_core_read(&ancestor, sizeof(ancestor), &cgroup->ancestors[cfg_cgroup_level]);
		id = BPF_CORE_READ(ancestor, kn, id);
	} else {
		bpf_core_read(&id, sizeof(id), &cgroup->ancestor_ids[cfg_cgroup_level]);
	}
	return id == cfg_cgroup_id;
}

static __noinline bool sock_in_cgroup(const struct sock *sk)
{
	return cgroup_is_wanted(sock_cgroup(sk));
}

/* Returns the same for a process, by the cgroup that it is in now. */
__noinline int task_in_cgroup(__u64 address)
{
	const struct task_struct *task = (const struct task_struct *)address;

	if (!bpf_core_field_exists(task->cgroups))
		return 0;
	return cgroup_is_wanted(BPF_CORE_READ(task, cgroups, dfl_cgrp));
}

static __always_inline bool is_in_cgroup(const struct lifecycle *l)
{
	return !cfg_cgroup_id || l->waits & LIFECYCLE_IN_CGROUP;
}

/*
 * If the socket or an owner was in the wanted cgroup once, the connection is wanted for the rest of
 * its life.
 */
static __always_inline void note_in_cgroup(struct lifecycle *l)
{
	/* 5.10 has no atomic or. */
	if (!(l->waits & LIFECYCLE_IN_CGROUP))
		__sync_fetch_and_add(&l->waits, LIFECYCLE_IN_CGROUP);
}

static __always_inline void cgroup_match(struct lifecycle *l, const struct sock *sk)
{
	if (!is_in_cgroup(l) && sock_in_cgroup(sk))
		note_in_cgroup(l);
}

static __always_inline void cgroup_match_task(struct lifecycle *l, __u64 task)
{
	if (!is_in_cgroup(l) && task_in_cgroup(task))
		note_in_cgroup(l);
}

/*
 * ---- Owners -------------------------------------------------------------------------------------
 */

static __always_inline bool owner_matches(const struct lifecycle *l)
{
	if (l->owner == TCPDWELL_OWNER_NONE)
		return false;
	if (cfg_filter_pid && !bpf_map_lookup_elem(&pids, &l->pid))
		return false;
	if (cfg_filter_comm) {
		for (int i = 0; i < OWNER_COMM_LEN; i++) {
			if (l->comm[i] != cfg_comm[i])
				return false;
			if (!cfg_comm[i])
				break;
		}
	}
	return true;
}

/* If an owner matched once, the connection is wanted for the rest of its life. */
static __always_inline void owner_match(struct lifecycle *l)
{
	if (config_filters_owner() && !(l->marks & LIFECYCLE_MATCHED) && owner_matches(l))
		l->marks |= LIFECYCLE_MATCHED;
}

/*
 * The name of a process: 15 bytes and a NUL. It is handled as two words, because byte by byte it
 * would be half of the code here.
 */
struct name {
	__u64 words[TCPDWELL_COMM_LEN / 8];
};

/*
 * Sets @name to the running process's name. Returns whether that process may own anything. Kernels
 * that have cookies for tracing programs (5.12) also have a BTF pointer to the task (5.11), which
 * plain loads can read.
 */
static __always_inline bool current_owner(struct name *name)
{
	struct task_struct *task;

	if (cfg_has_cookie) {
		const struct task_struct *leader;

		task = bpf_get_current_task_btf();
		if (task->flags & PF_KTHREAD)
			return false;
		leader = FOLLOW(task_struct, task, group_leader);
		name->words[0] = ((const __u64 *)leader->comm)[0];
		name->words[1] = ((const __u64 *)leader->comm)[1];
		return true;
	}
	task = (struct task_struct *)bpf_get_current_task();
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return false;
	bpf_probe_read_kernel(name, sizeof(*name), &BPF_CORE_READ(task, group_leader)->comm);
	return true;
}

static __always_inline bool owner_is_named(const struct lifecycle *l, const struct name *name)
{
	struct name known = {};

	__builtin_memcpy(&known, l->comm, OWNER_COMM_LEN);
	return known.words[0] == name->words[0] && known.words[1] == name->words[1];
}

/*
 * A reader on another CPU must not see the new process with the old one's name. So there is no
 * owner while the name is written: the writer calls owner_leave() before that and owner_come()
 * after it.
 */
static __always_inline void owner_leave(struct lifecycle *l, const bool atomic)
{
	*(volatile __u8 *)&l->owner = TCPDWELL_OWNER_NONE;
	order_mostly(atomic);
}

static __always_inline void owner_come(struct lifecycle *l, __u32 pid, __u8 how, const bool atomic)
{
	order_mostly(atomic);
	*(volatile __u32 *)&l->pid = pid;
	order_mostly(atomic);
	*(volatile __u8 *)&l->owner = how;
}

/*
 * Reads the owner as a whole; the owner is TCPDWELL_OWNER_NONE if its name is being replaced. Name,
 * pid and owner are stored in this order. So if there is an owner, and the pid read before the name
 * is the same as the one read last, the name is that process's.
 */
static __always_inline void owner_read(const struct lifecycle *l, __u32 *pid, char *comm,
				       __u8 *owner)
{
	*pid = *(const volatile __u32 *)&l->pid;
	l = order_after(l, *pid);
	__builtin_memcpy(comm, l->comm, OWNER_COMM_LEN);
	comm[OWNER_COMM_LEN] = 0;
	l = order_after(l, ((__u64 *)comm)[0] | ((__u64 *)comm)[1]);
	*owner = *(const volatile __u8 *)&l->owner;
	l = order_after(l, *owner);
	if (*pid != *(const volatile __u32 *)&l->pid)
		*owner = TCPDWELL_OWNER_NONE;
}

/*
 * Makes the running process the owner; @how says by what it is known. The name is that of the
 * thread group's leader, as `ss` and ps show it, because threads name themselves as they like.
 */
static __always_inline void owner_set_current(struct lifecycle *l, __u8 how, const bool atomic)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct name name;

	if (cfg_skip_owner || !current_owner(&name))
		return;
	if (how != TCPDWELL_OWNER_CLOSE)
		cgroup_match_task(l, bpf_get_current_task());
	if (l->pid == pid && l->owner != TCPDWELL_OWNER_NONE) {
		if (how == TCPDWELL_OWNER_CLOSE)
			how = l->owner; /* nothing is new, except for the name after an exec */
		if (owner_is_named(l, &name)) {
			*(volatile __u8 *)&l->owner = how;
			owner_match(l);
			return;
		}
	} else if (how == TCPDWELL_OWNER_CLOSE) {
		if (!current_closes())
			return;
		cgroup_match_task(l, bpf_get_current_task());
	}
	owner_leave(l, atomic);
	__builtin_memcpy(l->comm, &name, OWNER_COMM_LEN);
	if (l->pid != pid)
		l->holders = 0;
	owner_come(l, pid, how, atomic);
	owner_match(l);
}

/* Makes the owner of @other the owner of @l. */
static __always_inline void owner_adopt(struct lifecycle *l, const struct lifecycle *other,
					const bool atomic)
{
	owner_leave(l, atomic);
	__builtin_memcpy(l->comm, other->comm, OWNER_COMM_LEN);
	l->holders = other->holders;
	if (!is_in_cgroup(l) && is_in_cgroup(other))
		note_in_cgroup(l);
	owner_come(l, other->pid, other->owner, atomic);
	owner_match(l);
}

/*
 * A child that nobody has accepted yet belongs to the process that holds its listener. How many
 * processes hold the listener does not say how many will hold the child.
 */
static __always_inline void owner_inherit(struct lifecycle *child, const struct lifecycle *listener)
{
	if (listener->owner == TCPDWELL_OWNER_NONE)
		return;
	__builtin_memcpy(child->comm, listener->comm, OWNER_COMM_LEN);
	child->pid = listener->pid;
	child->owner = TCPDWELL_OWNER_LISTEN;
}

#endif /* TCPDWELL_OWNER_BPF_H */
