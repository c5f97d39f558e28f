/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ends of connect() and accept(), which know what the transition could not know.
 *
 * accept() does not lock the socket, so a softirq on another CPU may change its state meanwhile.
 * connect() makes its changes under the socket's lock.
 */
#ifndef TCPDWELL_ACCEPT_BPF_H
#define TCPDWELL_ACCEPT_BPF_H

#include "current.bpf.h"
#include "unaccepted.bpf.h"
#include "process.bpf.h"
#include "stack.bpf.h"
#include "young.bpf.h"

/*
 * Remembers a connection that accept() returns and that is not known. It was waiting in the queue
 * when the tracer came, or there was no room for it, which was counted then. Or the filters do not
 * want it; then nothing is done.
 */
static __always_inline void accept_unknown(const struct sock *sk, __u64 key, int fd)
{
	struct lifecycle l = connection_new(sk, key, PEEK(sock, sk, sk_uid.val));
	struct endpoint e;

	endpoint_read(&e, sk, false);
	l.state = PEEK(sock, sk, __sk_common.skc_state);
	if (l.state == TCPDWELL_CLOSE || !filter_connection(sk, &e, false))
		return;
	cgroup_match(&l, sk);
	owner_set_current(&l, TCPDWELL_OWNER_ACCEPT, false);
	accepted_as(&l, fd);
	table_insert(key, &l, BPF_NOEXIST, false);
}

/*
 * The process that accepts holds the listener at @address. It becomes the listener's owner if the
 * known one holds it no more. It is a function of numbers, so the verifier looks at it once.
 */
__noinline int accepted_from(__u64 address)
{
	const struct sock *listener = (const struct sock *)address;
	struct lifecycle *l = address ? connection_find(sock_key_by_address(listener)) : NULL;

	if (!l || l->state != TCPDWELL_LISTEN ||
	    (l->owner != TCPDWELL_OWNER_NONE && listener_is_held(l, listener)))
		return 0;
	owner_set_current(l, TCPDWELL_OWNER_LISTEN, false);
	holder_here(l, listener);
	return 0;
}

/*
 * Counts how long @sk, which has @key, has waited in the accept queue. Its owner is still the
 * listener's. Filters treat this like a row that leaves ESTABLISHED. It is a function of numbers,
 * so the verifier looks at it once, not at each call.
 */
__noinline int stat_accepted(__u64 address, __u64 key)
{
	const struct sock *sk = (const struct sock *)address;
	struct row row = { .from = TCPDWELL_ESTABLISHED, .to = TCPDWELL_ESTABLISHED };
	struct tcpdwell_counters *c = counters_here();
	const struct lifecycle *l = connection_find(key);
	struct endpoint e;

	if (!c || !l || l->state != TCPDWELL_ESTABLISHED || l->since != TCPDWELL_DWELL_EXACT ||
	    l->owner == TCPDWELL_OWNER_ACCEPT)
		return 0;
	row.time_ns = bpf_ktime_get_ns();
	row.dwell = lifecycle_dwell(l, row.from, row.time_ns, &row.dwell_ns);
	endpoint_read(&e, sk, false);
	if (!row.dwell || !row_wanted(&row, &e, l))
		return 0;
	row.from = TCPDWELL_STAT_ACCEPT;
	stat_count_row(&c->seen);
	stat_add(c, &row, &e, l);
	return 0;
}

/*
 * Returns the listener that accept() was called with, for the exit of the system call. Its
 * descriptor may be gone already.
 */
static __always_inline const struct sock *accept_listener(void)
{
	const struct pt_regs *regs = current_registers();

	return current_sock(PT_REGS_PARM1_CORE_SYSCALL(regs));
}

/*
 * accept() hands @sk to the running process, as descriptor @fd if that is not -1. @listener may be
 * NULL. At the exit of the system call (@syscall) the listener was an argument, and it is looked up
 * if it is needed.
 */
static __always_inline void accepted(void *ctx, const struct sock *sk, const struct sock *listener,
				     int fd, const bool syscall, const bool atomic)
{
	struct tcpdwell_life *life;
	struct lifecycle *l;
	bool young;
	__u64 key;

	if (PEEK(sock, sk, sk_protocol) != IPPROTO_TCP)
		return;
	/* The listener has the same local port, but its other children may be wanted. */
	if (cfg_filter_lport && !port_in(cfg_lports, PEEK(sock, sk, __sk_common.skc_num)))
		return;
	/*
	 * This is read first. The kernel stores the state after the transition was told, so a child
	 * that is not young has been remembered before.
	 */
	young = is_young(sk);
	order_mostly(atomic);
	l = connection_find_with_life(sock_key_by_address(sk), &life);
	if (!l && young) {
		l = young_accepted(sk, fd, atomic);
		if (!l)
			return;
	}
	key = sock_key_by_address(sk);
	if (!key)
		return; /* nobody has looked at the socket yet */
	/* No owner is known, so none was known for its listener. */
	if (!l || l->owner == TCPDWELL_OWNER_NONE)
		accepted_from(address_of(syscall ? accept_listener() : listener));
	if (!l) {
		accept_unknown(sk, key, fd);
		stack_keep(ctx, key, TCPDWELL_OWNER_ACCEPT);
		return;
	}
	if (cfg_stat_accepts)
		stat_accepted(address_of(sk), address_of((const void *)key));
	owner_set_current(l, TCPDWELL_OWNER_ACCEPT, atomic);
	if (cfg_life && life)
		life_accept(life);
	else if (cfg_life)
		life_accepted(address_of((const void *)key));
	if (config_filters_owner() && l->waits & LIFECYCLE_UNACCEPTED)
		release_unaccepted(address_of(sk), key,
				   connection_take(l, LIFECYCLE_UNACCEPTED, atomic));
	accepted_as(l, fd);
	stack_keep(ctx, key, TCPDWELL_OWNER_ACCEPT);
}

/* connect() has bound its port and sent the SYN, or failed. The socket is locked. */
static __always_inline void connect_exit(struct sock *sk)
{
	struct tcpdwell_counters *c = counters_here();
	struct lifecycle *l = connection_find(sock_key(sk));
	struct endpoint e;

	if (!c || !l || !connection_take(l, LIFECYCLE_DEFERRED, false))
		return;
	endpoint_read(&e, sk, true);
	release_deferred(c, sk, &e, l);
}

/*
 * accept() has returned @fd to the running process. This is for kernels where neither fexit nor
 * kretprobe attaches. The descriptor may be gone already.
 */
static __always_inline int accept_syscall_exit(void *ctx, long fd, const bool atomic)
{
	struct sock *sk = fd < 0 ? NULL : current_sock(fd);

	if (sk)
		accepted(ctx, sk, NULL, fd, true, atomic);
	return 0;
}

#endif /* TCPDWELL_ACCEPT_BPF_H */
