/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Children before their first transition. A connection is known by its cookie, but a child has none
 * yet, so it is remembered by the address of its socket. Two kinds of children are:
 *
 * The child of a SYN with data (TCP Fast Open, RFC 7413) stays in SYN_RECV as a full socket, and
 * the process may accept it in that state.
 *
 * Any other child is put into the accept queue by the softirq that also makes its first transition,
 * a microsecond later. In between, accept() on another CPU may already take it. accept() waits for
 * the lock of the socket, which the softirq holds, but since 6.19 our hook runs before that wait.
 */
#ifndef TCPDWELL_YOUNG_BPF_H
#define TCPDWELL_YOUNG_BPF_H

#include "unaccepted.bpf.h"
#include "process.bpf.h"

static __always_inline bool fastopen_listens(__u64 listener)
{
	return PEEK(inet_connection_sock, (const void *)listener,
		    icsk_accept_queue.fastopenq.max_qlen);
}

static __always_inline struct lifecycle *young_find(__u64 address)
{
	return cfg_young && shared.young ? bpf_map_lookup_elem(&young, &address) : NULL;
}

static __always_inline void young_put(__u64 address, const struct lifecycle *l)
{
	if (!cfg_young)
		return;
	if (!shared.young)
		shared.young = 1;
	bpf_map_update_elem(&young, &address, l, BPF_ANY);
}

/* LISTEN -> SYN_RECV. What was known of an earlier socket at this address is not valid any more. */
static __always_inline void young_born(const struct child *child)
{
	struct lifecycle l = {
		.state = TCPDWELL_SYN_RECV,
		.since_ns = child->time_ns,
		.since = TCPDWELL_DWELL_EXACT,
	};
	__u64 address = child->sock;

	if (fastopen_listens(child->listener)) {
		listener_inherit(&l, (const struct sock *)child->listener, false);
		young_put(address, &l);
	} else if (cfg_young && shared.young) {
		bpf_map_delete_elem(&young, &address);
	}
}

/*
 * A clone that leaves SYN_RECV within this time was made by the last ACK of a handshake: it moves
 * on in the same call, so this CPU has it in its slot. A clone that a SYN made waits for an ACK.
 */
#define CLONE_NS 100000ULL

/*
 * Returns whether @sk, which leaves SYN_RECV, was made by a SYN with data; then copies what is
 * known of it to @l. @child is what this CPU has of it in its slot, if anything.
 */
static __always_inline bool young_is_fast(const struct sock *sk, const struct child *child,
					  __u64 now_ns, struct lifecycle *l)
{
	const struct lifecycle *known = young_find((__u64)sk);

	if (!known || !known->state ||
	    (child && (child->syn_ns || now_ns - known->since_ns <= CLONE_NS)))
		return false;
	*l = *known;
	return true;
}

/*
 * Returns whether @sk is before its first transition, or in it: the kernel stores the state after
 * the tracepoint.
 */
static __always_inline bool is_young(const struct sock *sk)
{
	return PEEK(sock, sk, __sk_common.skc_state) == TCPDWELL_SYN_RECV;
}

/*
 * Notes where the running process has what it accepts. That is @fd. Before the call has made it
 * known (-1), it is probably the one that was reserved last. A ring of io_uring may keep the socket
 * without one.
 */
static __always_inline void accepted_as(struct lifecycle *l, int fd)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	const struct files_struct *files;

	if (cfg_skip_owner || l->owner != TCPDWELL_OWNER_ACCEPT)
		return;
	if (fd < 0) {
		files = PEEK(task_struct, task, files);
		fd = (PEEK(files_struct, files, next_fd) - 1) | LIFECYCLE_FD_GUESSED;
		if (task_has_ring(task))
			return;
	}
	holder_note(l, task_of_table(task), fd);
}

/*
 * The running process accepts @sk, which is_young(). Its first transition may be under way on
 * another CPU. Returns the connection if that transition has remembered it; else NULL. Each of the
 * two leaves what it knows before it looks for what the other knows (young_over()), so one of them
 * sees both.
 */
static __always_inline struct lifecycle *young_accepted(const struct sock *sk, int fd,
							const bool atomic)
{
	__u64 address = address_of(sk);
	struct lifecycle *known = young_find(address), l = {};

	if (known) {
		owner_set_current(known, TCPDWELL_OWNER_ACCEPT, atomic);
		accepted_as(known, fd);
	} else {
		owner_set_current(&l, TCPDWELL_OWNER_ACCEPT, atomic);
		accepted_as(&l, fd);
		young_put(address, &l);
	}
	order_full(atomic);
	known = connection_find(sock_key_by_address(sk));
	if (cfg_young && known)
		bpf_map_delete_elem(&young, &address);
	return known;
}

/*
 * @sk has left SYN_RECV, and its connection, if it is wanted, is remembered under @key. It gets the
 * owner that accepted it before that. A process that accepts it from now on finds the connection.
 */
static __always_inline void young_over(const struct sock *sk, __u64 key, const bool atomic)
{
	struct tcpdwell_counters *c = counters_here();
	__u64 address = address_of(sk);
	const struct lifecycle *known;
	struct lifecycle *l;

	if (!c || !cfg_young)
		return;
	/*
	 * What is remembered is stored before anything more is looked up, as in young_accepted().
	 */
	order_full(atomic);
	known = young_find(address);
	if (!known)
		return;
	l = known->owner == TCPDWELL_OWNER_ACCEPT ? connection_find(key) : NULL;
	if (l) {
		owner_adopt(l, known, atomic);
		if (config_filters_owner() && l->waits & LIFECYCLE_UNACCEPTED)
			release_unaccepted(address, key,
					   connection_take(l, LIFECYCLE_UNACCEPTED, atomic));
		if (lifecycle_has_task(known, cfg_life))
			holder_note(l, lifecycle_task(known), known->fd);
	}
	bpf_map_delete_elem(&young, &address);
}

#endif /* TCPDWELL_YOUNG_BPF_H */
