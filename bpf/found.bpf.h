/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The socket that an iterator is at, and the record that user space gets of it.
 */
#ifndef TCPDWELL_FOUND_BPF_H
#define TCPDWELL_FOUND_BPF_H

#include "cookies.bpf.h"
#include "detail.bpf.h"
#include "indirect.bpf.h"
#include "process.bpf.h"

/* When a socket entered its state, and when data last went through it (bounds.h). */
struct times {
	struct bounds state;
	struct bounds active;
};

/*
 * The record that is about to be written to the iterator's reader. It is too large for the stack.
 */
struct tcpdwell_socket snapshot_record;

/*
 * The socket that an iterator is at. Only the one thread that reads the iterators uses it. The
 * verifier does not track its contents, as it would on the stack. Each step of the work on it is a
 * function of numbers, which the verifier goes through once.
 */
static struct found {
	__u64 key;
	__u64 known; /* the key of what is known of its connection, 0: nothing is */
	__u64 now_ns;
	struct times times;
	struct endpoint e;
	struct holder holder;
	__u8 held; /* there is a holder */
	__u8 state;
	__u8 flags; /* enum tcpdwell_socket_flag */
	__u8 bound; /* whether bind() took its port */
	__u8 v6only;
	__u8 shown; /* the state that its process sees, which is MPTCP's if it is a subflow */
} found;

static __always_inline void found_begin(__u64 key)
{
	__builtin_memset(&found, 0, sizeof(found));
	found.key = key;
	found.now_ns = bpf_ktime_get_ns();
}

/*
 * Returns the latest time at which the socket can have entered its state; now, if no earlier one is
 * known.
 */
static __always_inline __u64 found_since_ns(void)
{
	return found.times.state.latest_ns ?: found.now_ns;
}

/*
 * Sets since when the socket is in its state. What was seen of its life counts more than what its
 * stamps say. If an earlier look found it in this state, that is a bound, too; that this look finds
 * it so says nothing.
 */
static __always_inline void record_since(struct tcpdwell_socket *record, const struct lifecycle *l)
{
	__u64 since_ns = found.times.state.latest_ns;

	record->since_earliest_ns = found.times.state.earliest_ns;
	if (l && l->state == found.shown && l->since == TCPDWELL_DWELL_EXACT) {
		record->since = TCPDWELL_DWELL_EXACT;
		record->since_ns = record->since_earliest_ns = l->since_ns;
		return;
	}
	if (l && l->state == found.shown && l->since == TCPDWELL_DWELL_AT_LEAST &&
	    l->since_ns < snapshot_began_ns)
		since_ns = bounds_older(since_ns, l->since_ns);
	record->since = since_ns ? TCPDWELL_DWELL_AT_LEAST : TCPDWELL_DWELL_UNKNOWN;
	record->since_ns = since_ns ?: found.now_ns;
}

/* Returns the inode of the file that its descriptors lead to; 0: there is none. */
static __always_inline __u64 sock_inode(const struct sock *sk)
{
	const struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	const struct socket_alloc *file = (const struct socket_alloc *)socket;

	return socket ? BPF_CORE_READ(file, vfs_inode.i_ino) : 0;
}

/* Returns whether the socket, its connection or its holder is in the cgroup that is wanted. */
static __always_inline bool found_in_cgroup(const struct lifecycle *l, const struct sock *sk)
{
	if (!cfg_cgroup_id || (l && is_in_cgroup(l)) || (sk && sock_in_cgroup(sk)))
		return true;
	return found.held && task_in_cgroup((__u64)found.holder.leader);
}

/*
 * Fills in the holder. A process that may yet receive the socket from a queue does not hold it, and
 * is not named as a holder.
 */
static __always_inline void record_holder(struct tcpdwell_socket *record)
{
	const struct holder *holder = &found.holder;
	const struct task_struct *leader = holder->leader;

	record->flags |= holder->way;
	if (holder->way == TCPDWELL_SOCKET_IN_FLIGHT) {
		record->owner = TCPDWELL_OWNER_NONE;
		record->owner_pid = holder->pid;
	} else {
		record->pid = holder->pid;
		record->fd = holder->fd;
	}
	bpf_core_read(record->comm, OWNER_COMM_LEN, &leader->comm);
}

/* Fills in what only a full socket says of itself. */
static __always_inline void record_full(struct tcpdwell_socket *record, const struct sock *sk)
{
	__u32 range = sock_port_range((__u64)sk);

	record->inode = sock_inode(sk);
	record->ports_low = range & 0xffff;
	record->ports_high = range >> 16;
	if (found.state != TCPDWELL_LISTEN)
		return;
	record->queued = BPF_CORE_READ(sk, sk_ack_backlog);
	record->queue_max = BPF_CORE_READ(sk, sk_max_ack_backlog);
	record->drops = BPF_CORE_READ(sk, sk_drops.counter);
}

/*
 * Fills snapshot_record. @address is that of a full socket, or 0. Returns whether the record is
 * wanted.
 */
__noinline int found_record(__u64 address)
{
	const struct sock *sk = (const struct sock *)address;
	const struct lifecycle *l = found.known ? connection_find(found.known) : NULL;
	struct tcpdwell_socket *record = &snapshot_record;

	if (!cfg_snapshot_records || (cfg_uid_count && !uid_wanted(found.e.uid)) ||
	    !found_in_cgroup(l, sk))
		return 0;
	__builtin_memset(record, 0, sizeof(*record));
	record->kind = TCPDWELL_SOCKET;
	record->size = sizeof(*record);
	record->state = found.shown;
	record->family = found.e.family;
	record->flags = found.flags;
	record->key = found.key;
	record->active_ns = found.times.active.latest_ns;
	record->active_earliest_ns = found.times.active.earliest_ns;
	record->cgroup_id = found.e.cgroup_id;
	record->netns = found.e.netns;
	record->uid = found.e.uid;
	record->lport = found.e.lport;
	record->rport = found.e.rport;
	__builtin_memcpy(record->laddr, found.e.laddr, sizeof(record->laddr));
	__builtin_memcpy(record->raddr, found.e.raddr, sizeof(record->raddr));
	record_since(record, l);
	if (l && l->owner != TCPDWELL_OWNER_NONE) {
		record->owner = l->owner;
		record->owner_pid = l->pid;
		__builtin_memcpy(record->comm, l->comm, OWNER_COMM_LEN);
	}
	if (found.held)
		record_holder(record);
	record->bound = found.bound;
	record->v6only = found.v6only;
	record->scope = (__u32)found.e.scope_high << 16 | found.e.scope_low;
	if (cfg_details)
		record->detail = snapshot_detail;
	if (sk)
		record_full(record, sk);
	return 1;
}

/*
 * Writes the record, if user space asked for records. If it does not fit, the kernel runs the
 * program once more for the same socket when there is room.
 */
static __always_inline void found_write(struct seq_file *seq, __u64 address)
{
	if (cfg_snapshot_records && found_record(address))
		bpf_seq_write(seq, &snapshot_record, sizeof(snapshot_record));
}

#endif /* TCPDWELL_FOUND_BPF_H */
