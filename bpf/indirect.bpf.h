/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sockets that a process has although none of its descriptors leads to them: the TCP sockets of a
 * connection of MPTCP, the fixed files of an io_uring, and sockets in flight in the queue of a unix
 * socket (SCM_RIGHTS).
 *
 * The walk over all descriptors meets the files that they belong to, and notes the addresses of the
 * TCP sockets. Later the walk over the hash tables meets these sockets, where it can ask for their
 * cookies. No lock is taken. What changes meanwhile is read as it is, by helpers, and a socket is
 * told of only if it is in the hash tables.
 */
#ifndef TCPDWELL_INDIRECT_BPF_H
#define TCPDWELL_INDIRECT_BPF_H

#include "descriptor.bpf.h"
#include "maps.bpf.h"
#include "sock.bpf.h"

/* Kernel ABI: include/linux/socket.h, include/net/tcp_states.h, include/uapi/linux/magic.h. */
#define AF_UNIX		    1
#define UNIX_LISTEN	    10
#define ANON_INODE_FS_MAGIC 0x09041934

#define SOCK_STREAM 1

/*
 * The processes that have a TCP socket in another way than by a descriptor that leads to it:
 * through a socket of MPTCP, among the fixed files of an io_uring, or in the queue of a unix
 * socket. The key is the socket's address. The map is filled while the snapshot runs; it is emptied
 * after it if the process still may do so. Only the first TCP sockets of a connection of MPTCP are
 * looked at, and only the first holders of each socket are kept.
 */
#define SUBFLOWS	8
#define SUBFLOW_HOLDERS 4

struct subflow_holders {
	__u32 count;
	__u32 pids[SUBFLOW_HOLDERS];
	__u32 fds[SUBFLOW_HOLDERS];
	__u32 round; /* of the snapshot; what an earlier one noted does not count */
	__u64 leaders[SUBFLOW_HOLDERS];
	__u64 tables[SUBFLOW_HOLDERS];
	/* Where the reference to its file is; 0: a descriptor leads to a socket of MPTCP. */
	__u64 slots[SUBFLOW_HOLDERS];
	__u8 ways[SUBFLOW_HOLDERS]; /* enum tcpdwell_socket_flag: fixed or in flight */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct subflow_holders);
} subflows SEC(".maps");

/* Whether there may be something in subflows. */
__u32 subflows_noted;

/* A process that has a socket, and the descriptor by which it does. */
struct holder {
	const struct task_struct *leader;
	__u64 table; /* the task whose table of descriptors has it */
	__u32 pid;
	__u32 fd;
	__u8 way; /* TCPDWELL_SOCKET_FIXED or TCPDWELL_SOCKET_IN_FLIGHT; 0: a descriptor */
};

static __always_inline struct holder holder_of(const struct task_struct *task, __u32 fd)
{
	struct holder holder = {
		.leader = BPF_CORE_READ(task, group_leader),
		.table = task_of_table(task),
		.pid = BPF_CORE_READ(task, tgid),
		.fd = fd,
	};

	return holder;
}

static __always_inline bool is_tcp(const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == AF_INET || family == AF_INET6) &&
	       BPF_CORE_READ(sk, sk_type) == SOCK_STREAM &&
	       BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

static __always_inline bool is_mptcp(const struct sock *sk)
{
	return cfg_subflows && bpf_core_type_exists(struct mptcp_sock) &&
	       BPF_CORE_READ(sk, sk_protocol) == IPPROTO_MPTCP;
}

/*
 * ---- What is noted ------------------------------------------------------------------------------
 */

/*
 * The holder whose files are looked at, and the kind of their array. The verifier walks only once
 * through functions whose arguments are numbers, so these facts are kept here. Only the one thread
 * that reads the iterators uses them.
 */
static struct {
	struct holder holder;
	bool nodes; /* the elements are nodes that lead to the files */
} indirect;

/* The initial value of an element; it is too large for the stack. */
static const struct subflow_holders no_holders;

__noinline int indirect_note(__u64 subflow, __u64 slot)
{
	const struct holder *holder = &indirect.holder;
	struct subflow_holders *known;
	__u32 at;

	if (!cfg_subflows || !subflow)
		return 0;
	known = bpf_map_lookup_elem(&subflows, &subflow);
	if (!known) {
		bpf_map_update_elem(&subflows, &subflow, &no_holders, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&subflows, &subflow);
	}
	if (!known)
		return 0;
	if (known->round != snapshot_round) {
		known->round = snapshot_round;
		known->count = 0;
	}
	at = known->count;
	if (at >= SUBFLOW_HOLDERS)
		return 0;
	known->leaders[at] = (__u64)holder->leader;
	known->tables[at] = holder->table;
	known->pids[at] = holder->pid;
	known->fds[at] = holder->fd;
	known->slots[at] = slot;
	known->ways[at] = holder->way;
	known->count = at + 1;
	subflows_noted = 1;
	return 0;
}

/* Returns the processes that have a socket in another way; NULL for most sockets. */
static __always_inline struct subflow_holders *indirect_holders(const struct sock *sk)
{
	struct subflow_holders *holders;
	__u64 subflow = (__u64)sk;

	if (!cfg_subflows || !subflows_noted)
		return NULL;
	holders = bpf_map_lookup_elem(&subflows, &subflow);
	return holders && holders->round == snapshot_round ? holders : NULL;
}

/*
 * Returns whether the file of the socket at @address, which was noted as @key, is held only by the
 * slots that were noted. Each slot is a reference, and so is whatever holds the file and was not
 * met. If the file is in the queues of two processes, neither has it alone.
 */
__noinline int indirect_alone(__u64 address, __u64 key)
{
	const struct sock *whole = sock_of_process((const struct sock *)address);
	const struct file *file = BPF_CORE_READ(whole, sk_socket, file);
	const struct subflow_holders *holders;
	__s64 slots = 0;

	if (!cfg_subflows || !file)
		return 0;
	holders = bpf_map_lookup_elem(&subflows, &key);
	if (!holders)
		return 0;
	for (__u32 i = 0; i < SUBFLOW_HOLDERS && i < holders->count; i++) {
		bool again = false;

		if (holders->ways[i] == TCPDWELL_SOCKET_IN_FLIGHT &&
		    holders->pids[i] != holders->pids[0])
			return 0;
		for (__u32 j = 0; j < i; j++)
			again |= holders->slots[j] == holders->slots[i];
		slots += !again;
	}
	return file_references(file) == slots;
}

/*
 * ---- MPTCP --------------------------------------------------------------------------------------
 */

/*
 * Notes who holds the TCP sockets behind a socket of MPTCP: that of a listener, or those of a
 * connection.
 */
__noinline int indirect_mptcp(__u64 address, __u64 slot)
{
	const struct mptcp_sock *msk = (const struct mptcp_sock *)address;
	const struct mptcp_subflow_context *context;
	const struct list_head *head, *node;
	__u64 first, subflow;

	if (!cfg_subflows || !bpf_core_type_exists(struct mptcp_sock))
		return 0;
	first = subflow = (__u64)BPF_CORE_READ(msk, first);
	head = (void *)msk + bpf_core_field_offset(struct mptcp_sock, conn_list);
	node = BPF_CORE_READ(msk, conn_list.next);
	for (int i = 0; i <= SUBFLOWS; i++) {
		if (i == 0 || subflow != first)
			indirect_note(subflow, slot);
		if (!node || node == head)
			break;
		context = (void *)node - bpf_core_field_offset(struct mptcp_subflow_context, node);
		subflow = (__u64)BPF_CORE_READ(context, tcp_sock);
		node = BPF_CORE_READ(context, node.next);
	}
	return 0;
}

/*
 * ---- Arrays of files ----------------------------------------------------------------------------
 */

/* The lowest bits of io_uring's pointers to files say what the files can do (FFS_MASK, 5.13). */
#define FILE_BITS 7UL

/*
 * Files that one call looks at, and files in all. An io_uring may have more; a message has 253 at
 * most.
 */
#define SLOTS_STRETCH 256
#define SLOTS_MAX     32768

/* Looks at the file in a slot. */
__noinline int indirect_file(__u64 slot)
{
	__u64 file = 0;
	struct sock *sk;

	bpf_probe_read_kernel(&file, sizeof(file), (void *)slot);
	if (file && indirect.nodes && bpf_core_field_exists(struct io_rsrc_node, file_ptr))
		file = BPF_CORE_READ((struct io_rsrc_node *)file, file_ptr);
	file &= ~FILE_BITS;
	sk = file_sock((const struct file *)file);
	if (!cfg_subflows || !sk)
		return 0;
	if (is_tcp(sk))
		indirect_note(address_of(sk), slot);
	else if (is_mptcp(sk))
		indirect_mptcp(address_of(sk), slot);
	return 0;
}

__noinline int indirect_stretch(__u64 slots, __u32 count)
{
	for (__u32 i = 0; i < SLOTS_STRETCH && i < count; i++)
		indirect_file(slots + i * sizeof(__u64));
	return 0;
}

__noinline int indirect_files(__u64 slots, __u32 count)
{
	for (__u32 first = 0; slots && first < SLOTS_MAX && first < count; first += SLOTS_STRETCH)
		indirect_stretch(slots + first * sizeof(__u64), count - first);
	return 0;
}

/*
 * ---- io_uring -----------------------------------------------------------------------------------
 */

/* Returns whether a file is an io_uring. Only the kernel gives names to anonymous inodes. */
static __always_inline bool is_ring(const struct file *file)
{
	char name[sizeof("[io_uring]")] = {};

	if (!cfg_subflows || !bpf_core_type_exists(struct io_ring_ctx) ||
	    BPF_CORE_READ(file, f_inode, i_sb, s_magic) != ANON_INODE_FS_MAGIC)
		return false;
	bpf_probe_read_kernel(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	for (__u32 i = 0; i < sizeof(name); i++)
		if (name[i] != "[io_uring]"[i])
			return false;
	return true;
}

/*
 * Looks at the fixed files of the io_uring @file. 5.11 and 5.12 have them elsewhere, and they are
 * not found there.
 */
static __always_inline void indirect_ring(const struct task_struct *task, const struct file *file)
{
	const struct io_ring_ctx *ring = BPF_CORE_READ(file, private_data);

	indirect.holder = holder_of(task, TCPDWELL_NO_FD);
	indirect.holder.way = TCPDWELL_SOCKET_FIXED;
	indirect.nodes = bpf_core_field_exists(struct io_rsrc_data, nodes);
	if (indirect.nodes)
		indirect_files((__u64)BPF_CORE_READ(ring, file_table.data.nodes),
			       BPF_CORE_READ(ring, file_table.data.nr));
	else if (bpf_core_field_exists(struct io_file_table, files))
		indirect_files((__u64)BPF_CORE_READ(ring, file_table.files),
			       BPF_CORE_READ(ring, nr_user_files));
}

/*
 * ---- In flight ----------------------------------------------------------------------------------
 */

/* Messages of a queue that are looked at in one stretch, and the number of stretches. */
#define QUEUE_MESSAGES		32
#define QUEUE_MESSAGE_STRETCHES 64

/* Looks at the files that come with a message. */
static __always_inline void indirect_message(__u64 skb)
{
	const struct unix_skb_parms *parms = (void *)skb +
					     bpf_core_field_offset(struct sk_buff, cb);
	__u64 files = (__u64)BPF_CORE_READ(parms, fp);

	if (files)
		indirect_files(files + bpf_core_field_offset(struct scm_fp_list, fp),
			       BPF_CORE_READ((struct scm_fp_list *)files, count));
}

/* Looks at a stretch of messages. Returns where the next one begins; @head ends the queue. */
__noinline __u64 indirect_messages(__u64 skb, __u64 head)
{
	for (int i = 0; i < QUEUE_MESSAGES && skb && skb != head; i++) {
		indirect_message(skb);
		skb = (__u64)BPF_CORE_READ((struct sk_buff *)skb, next);
	}
	return skb;
}

/* Looks at what is in flight in the queue of the unix socket at @address. */
__noinline int indirect_queue(__u64 address)
{
	__u64 head = address + bpf_core_field_offset(struct sock, sk_receive_queue);
	__u64 skb = (__u64)BPF_CORE_READ((struct sock *)address, sk_receive_queue.next);

	for (int i = 0; i < QUEUE_MESSAGE_STRETCHES && skb && skb != head; i++)
		skb = indirect_messages(skb, head);
	return 0;
}

/*
 * The same for connections that wait for accept(): each is the socket of a message in the
 * listener's queue.
 */
static __always_inline void indirect_backlog(__u64 address)
{
	__u64 head = address + bpf_core_field_offset(struct sock, sk_receive_queue), waiting;
	__u64 skb = (__u64)BPF_CORE_READ((struct sock *)address, sk_receive_queue.next);

	for (int i = 0; i < QUEUE_MESSAGES && skb && skb != head; i++) {
		waiting = (__u64)BPF_CORE_READ((struct sk_buff *)skb, sk);
		if (waiting)
			indirect_queue(waiting);
		skb = (__u64)BPF_CORE_READ((struct sk_buff *)skb, next);
	}
}

static __always_inline bool is_unix(const struct sock *sk)
{
	return cfg_subflows && bpf_core_type_exists(struct unix_skb_parms) &&
	       BPF_CORE_READ(sk, __sk_common.skc_family) == AF_UNIX &&
	       BPF_CORE_READ(sk, sk_receive_queue.qlen);
}

/*
 * Looks at what only the process of @task can receive by the unix socket @sk. The iterator has one
 * reference to the file, and the descriptor has the other. A third one may belong to a process that
 * the iterator does not meet.
 */
static __always_inline void indirect_flight(const struct task_struct *task, const struct file *file,
					    const struct sock *sk)
{
	if (file_references(file) > 2)
		return;
	indirect.holder = holder_of(task, TCPDWELL_NO_FD);
	indirect.holder.way = TCPDWELL_SOCKET_IN_FLIGHT;
	indirect.nodes = false;
	if (BPF_CORE_READ(sk, __sk_common.skc_state) == UNIX_LISTEN)
		indirect_backlog(address_of(sk));
	else
		indirect_queue(address_of(sk));
}

/*
 * Looks at a descriptor that does not lead to a TCP socket; @sk is NULL if it leads to no socket.
 */
static __always_inline void indirect_find(const struct task_struct *task, __u32 fd,
					  const struct file *file, const struct sock *sk)
{
	if (sk && is_mptcp(sk)) {
		indirect.holder = holder_of(task, fd);
		indirect_mptcp(address_of(sk), 0);
	} else if (sk && is_unix(sk)) {
		indirect_flight(task, file, sk);
	} else if (!sk && is_ring(file)) {
		indirect_ring(task, file);
	}
}

#endif /* TCPDWELL_INDIRECT_BPF_H */
