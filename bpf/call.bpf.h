/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Calls of connect(), bind() and listen() that return an error. Many of them make no transition (no
 * route, no free port, an address that is taken). They are summed by process, errno and address.
 *
 * None of this runs in a transition. A call that succeeds costs a comparison.
 */
#ifndef TCPDWELL_CALL_BPF_H
#define TCPDWELL_CALL_BPF_H

#include "owner.bpf.h"
#include "process.bpf.h"

#define SOCK_STREAM 1

/* Errnos that are no failure: for example, a socket that does not block returns EINPROGRESS. */
#define EINPROGRESS 115
#define EALREADY    114
#define EISCONN	    106
#define EINTR	    4

/* Errnos of accept() that say that something has run out. Others tell of one connection or none. */
#define ENOMEM	12
#define ENFILE	23
#define EMFILE	24
#define ENOBUFS 105

/* The first bytes of struct sockaddr_in and struct sockaddr_in6 (linux/in.h, linux/in6.h). */
struct call_address {
	__u16 family;
	__be16 port;
	__u32 addr4; /* in IPv6: the flow label */
	__u8 addr6[16];
};

#define CALL_ADDRESS4_BYTES 8

/* Failed calls since the start. User space reads them at the end of a look, and removes none. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct tcpdwell_failed_call);
	__type(value, struct tcpdwell_failed_calls);
} failed_calls SEC(".maps");

/* Failed calls that found no room in failed_calls. */
__u64 calls_missed;

static __always_inline bool call_is_tcp(const struct sock *sk)
{
	__u16 protocol = PEEK(sock, sk, sk_protocol);

	return PEEK(sock, sk, sk_type) == SOCK_STREAM &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* Returns whether there is an IPv4 or IPv6 address at @from, in the process's memory. */
static __always_inline bool call_read_address(struct tcpdwell_failed_call *call, const void *from)
{
	struct call_address address = {};

	if (bpf_probe_read_user(&address, CALL_ADDRESS4_BYTES, from))
		return false;
	call->port = bpf_ntohs(address.port);
	if (address.family == AF_INET) {
		call->family = 4;
		*(__u32 *)call->addr = address.addr4;
		return true;
	}
	if (address.family != AF_INET6 || bpf_probe_read_user(&address, sizeof(address), from))
		return false;
	call->family = 6;
	if (addr_is_v4_mapped(address.addr6)) {
		call->family = 4;
		*(__u32 *)call->addr = *(__u32 *)(address.addr6 + 12);
	} else {
		__builtin_memcpy(call->addr, address.addr6, sizeof(call->addr));
	}
	return true;
}

static __always_inline void call_count(const struct tcpdwell_failed_call *call)
{
	struct tcpdwell_failed_calls *known = bpf_map_lookup_elem(&failed_calls, call), fresh = {};
	struct name name;

	if (known) {
		__sync_fetch_and_add(&known->count, 1);
		return;
	}
	if (!current_owner(&name))
		return;
	__builtin_memcpy(fresh.comm, &name, sizeof(fresh.comm));
	fresh.count = 1;
	if (bpf_map_update_elem(&failed_calls, call, &fresh, BPF_ANY))
		count(&calls_missed);
}

/* Takes the address that the socket is bound to, and its namespace. */
static __always_inline void call_read_bound(struct tcpdwell_failed_call *call,
					    const struct sock *sk)
{
	struct endpoint e;

	endpoint_read_part(&e, &sk->__sk_common, false, true);
	call->netns = e.netns;
	call->port = e.lport;
	call->family = e.family;
	__builtin_memcpy(call->addr, e.laddr, sizeof(call->addr));
}

/*
 * Counts a system call that has returned @error, if that is a failure. Its arguments begin with a
 * descriptor and, but for listen(), an address.
 */
static __always_inline void call_failed(long error, __u8 which)
{
	struct tcpdwell_failed_call call = { .pid = bpf_get_current_pid_tgid() >> 32 };
	const struct pt_regs *regs;
	const struct sock *sk;

	if (error >= 0 || error == -EINPROGRESS || error == -EALREADY || error == -EISCONN ||
	    error == -EINTR)
		return;
	regs = current_registers();
	sk = current_sock(PT_REGS_PARM1_CORE_SYSCALL(regs));
	if (!sk || !call_is_tcp(sk))
		return;
	call.err = -error;
	call.call = which;
	call.v6only = BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only);
	call.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (which == TCPDWELL_CALL_LISTEN)
		call_read_bound(&call, sk);
	else if (!call_read_address(&call, (const void *)PT_REGS_PARM2_CORE_SYSCALL(regs)))
		return;
	call_count(&call);
}

/* Counts a call of accept() that has returned a descriptor, or one that failed for want of one. */
static __always_inline void call_accepted(long result)
{
	struct tcpdwell_failed_call call = {
		.pid = bpf_get_current_pid_tgid() >> 32,
		.call = TCPDWELL_CALL_ACCEPT,
	};
	const struct pt_regs *regs;
	const struct sock *sk;

	if (result < 0 && result != -EMFILE && result != -ENFILE && result != -ENOMEM &&
	    result != -ENOBUFS)
		return;
	regs = current_registers();
	sk = current_sock(PT_REGS_PARM1_CORE_SYSCALL(regs));
	if (!sk || !call_is_tcp(sk))
		return;
	call.err = result < 0 ? -result : 0;
	call_read_bound(&call, sk);
	call_count(&call);
}

#endif /* TCPDWELL_CALL_BPF_H */
