/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Facts about a socket: ends, namespace, user, cgroup, identity.
 *
 * Facts are read into a struct endpoint, so filters and rows need not know which kernel object
 * stands for the connection.
 */
#ifndef TCPDWELL_SOCK_BPF_H
#define TCPDWELL_SOCK_BPF_H

#include "lifecycle.h"
#include "read.bpf.h"

#define AF_INET	      2
#define AF_INET6      10
#define IPPROTO_TCP   6
#define IPPROTO_MPTCP 262

/* Bits of sk_flags (enum sock_flags, include/net/sock.h). */
#define SOCK_DEAD     0
#define SOCK_DONE     1
#define SOCK_KEEPOPEN 3

/* A bit of sk_shutdown: nobody reads any more. */
#define RCV_SHUTDOWN 1

/*
 * Both ends of the connection that a transition belongs to, and its namespace, user and cgroup.
 * Addresses are laid out as in the record.
 */
struct endpoint {
	__u8 laddr[16];
	__u8 raddr[16];
	__u16 lport;
	__u16 rport;
	__u8 family; /* 4 or 6 */
	/*
	 * The interface that the socket is bound to, 24 bits of its index; 0: none, or not asked
	 * for.
	 */
	union {
		__u8 scope_high;
		/*
		 * Where stat asks: which ports are in the range of connect(), 1: the local one, 2:
		 * the remote one.
		 */
		__u8 in_range;
	};
	__u16 scope_low;
	__u32 netns;
	__u32 uid;
	/* In the version 2 hierarchy; 0: not asked for, or it cannot be told. */
	__u64 cgroup_id;
};

/*
 * What is needed for the row of a request whose timer runs out, in case it does not survive that.
 */
struct dying_request {
	__u64 request;
	__u64 listener;
	__u64 syn_ns;
	__u32 isn;
	__u32 acked; /* the last ACK came, and there was no room */
	struct endpoint e;
	__u64 bucket;  /* in the table of connections, if the listener is closed; else 0 */
	__u64 dropped; /* the last request that was unhashed without a child */
	__u64 dropped_syn_ns;
};

/* What is needed for the row of a timewait socket whose timer was taken off. */
struct parked_tw {
	__u64 key;
	__u64 time_ns;
	__u64 flip_ns; /* when it went from FIN_WAIT2 to TIME_WAIT unseen, 0: it did not */
	__u32 reason;
	__u32 parkings; /* how often it was parked, this time included */
	struct endpoint e;
};

static __always_inline bool sock_is_tcp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP;
}

/*
 * Returns whether a task has the socket, in a system call. If not, a softirq does, or a task with
 * softirqs off. So neither kind of event interrupts another of its kind.
 */
static __always_inline bool is_of_task(const struct sock *sk)
{
	return sk->sk_lock.owned;
}

static __always_inline void addr_set_v4(__u8 *to, __be32 addr)
{
	__u32 *words = (__u32 *)to;

	words[0] = addr;
	words[1] = words[2] = words[3] = 0;
}

static __always_inline void addr_read_v6(__u8 *to, const struct in6_addr *addr, const bool direct)
{
	__u32 *words = (__u32 *)to;

	if (direct) {
		words[0] = addr->in6_u.u6_addr32[0];
		words[1] = addr->in6_u.u6_addr32[1];
		words[2] = addr->in6_u.u6_addr32[2];
		words[3] = addr->in6_u.u6_addr32[3];
	} else {
		bpf_core_read(to, sizeof(*addr), addr);
	}
}

/* Returns whether @addr is in ::ffff:0:0/96 (RFC 4291, section 2.5.5.2): IPv4 on an IPv6 socket. */
static __always_inline bool addr_is_v4_mapped(const __u8 *addr)
{
	const __u32 *words = (const __u32 *)addr;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/*
 * Returns a pointer as a number. The verifier does not let a trusted pointer pass as a number into
 * a global function. But what a helper has copied is only a number to it.
 */
static __always_inline __u64 address_of(const void *pointer)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return address;
}

/* Returns the ports that connect() takes in a namespace: the highest << 16 | the lowest. */
static __always_inline __u32 netns_port_range(__u64 address)
{
	const struct net *net = (const struct net *)address;
	const struct net___v67 *old = (const void *)address;
	int range[2] = {};

	if (bpf_core_field_exists(old->ipv4.ip_local_ports.range)) {
		bpf_core_read(range, sizeof(range), &old->ipv4.ip_local_ports.range);
		return (__u32)range[1] << 16 | (__u16)range[0];
	}
	if (bpf_core_field_exists(net->ipv4.ip_local_ports.range))
		return BPF_CORE_READ(net, ipv4.ip_local_ports.range);
	return 0xffffU << 16;
}

/*
 * Returns which of the two ports are in that range, as endpoint.in_range has it. It is not inlined,
 * to spare its callers' stack, and calls no other function: 5.10 has 32 bytes left for it.
 */
static __noinline __u32 ports_in_range(__u64 net, __u32 lport, __u32 rport)
{
	__u32 range = netns_port_range(net), low = range & 0xffff, high = range >> 16;

	return (lport >= low && lport <= high) | (rport >= low && rport <= high) << 1;
}

/*
 * With @direct, @skc must be a BTF pointer. @addrs reads addresses even if rows do not need them.
 */
static __always_inline void endpoint_fill(struct endpoint *e, const struct sock_common *skc,
					  const bool direct, const bool addrs)
{
	const struct net *net;
	__u32 scope;

	e->lport = READ(direct, skc, skc_num);
	e->rport = bpf_ntohs(READ(direct, skc, skc_dport));
	net = direct ? FOLLOW(sock_common, skc, skc_net.net) : BPF_CORE_READ(skc, skc_net.net);
	e->netns = READ(direct, net, ns.inum);
	scope = cfg_scope ? READ(direct, skc, skc_bound_dev_if) : 0;
	e->scope_high = scope >> 16;
	e->scope_low = scope;
	if (cfg_service)
		e->in_range = ports_in_range(address_of(net), e->lport, e->rport);
	if (cfg_skip_addrs && !addrs) {
		/*
		 * They are not left as they are: old verifiers let nobody copy what was never
		 * written.
		 */
		addr_set_v4(e->laddr, 0);
		addr_set_v4(e->raddr, 0);
		e->family = 4;
		return;
	}
	if (READ(direct, skc, skc_family) == AF_INET6 && bpf_core_field_exists(skc->skc_v6_daddr)) {
		addr_read_v6(e->raddr, &skc->skc_v6_daddr, direct);
		addr_read_v6(e->laddr, &skc->skc_v6_rcv_saddr, direct);
		if (!addr_is_v4_mapped(e->raddr) && !addr_is_v4_mapped(e->laddr)) {
			e->family = 6;
			return;
		}
		addr_set_v4(e->raddr, ((__u32 *)e->raddr)[3]);
		addr_set_v4(e->laddr, ((__u32 *)e->laddr)[3]);
	} else {
		addr_set_v4(e->laddr, READ(direct, skc, skc_rcv_saddr));
		addr_set_v4(e->raddr, READ(direct, skc, skc_daddr));
	}
	e->family = 4;
}

/*
 * Reads the part that full sockets, requests and timewait sockets have in common. @direct and
 * @addrs are those of endpoint_fill(). A listener on :: counts as IPv6, one on a mapped address as
 * IPv4.
 */
static __always_inline void endpoint_read_part(struct endpoint *e, const struct sock_common *skc,
					       const bool direct, const bool addrs)
{
	if (direct)
		endpoint_fill(e, skc, true, addrs);
	else if (cfg_has_cast)
		endpoint_fill(e, CAST(sock_common, skc), true, addrs);
	else
		endpoint_fill(e, skc, false, addrs);
}

/* The same, with addresses only if rows need them. */
static __always_inline void endpoint_read_common(struct endpoint *e, const struct sock_common *skc,
						 const bool direct)
{
	endpoint_read_part(e, skc, direct, false);
}

/* Returns the cgroup that the socket was created in; NULL: it cannot be told. */
static __always_inline struct cgroup *sock_cgroup(const struct sock *sk)
{
	__u64 val;

	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		return BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	if (!bpf_core_field_exists(sk->sk_cgrp_data.val))
		return NULL; /* no CONFIG_SOCK_CGROUP_DATA */
	/*
	 * include/linux/cgroup-defs.h of 5.14: if the low bit is set, it has ids of net_cls and
	 * net_prio.
	 */
	val = BPF_CORE_READ(sk, sk_cgrp_data.val);
	return val & 3 ? NULL : (struct cgroup *)val;
}

static __always_inline __u64 sock_cgroup_id(const struct sock *sk, const bool direct)
{
	struct cgroup *cgroup;

	if ((direct || cfg_has_cast) && bpf_core_field_exists(sk->sk_cgrp_data.cgroup)) {
		cgroup = FOLLOW(sock, sk, sk_cgrp_data.cgroup);
		return cgroup ? FOLLOW(cgroup, cgroup, kn)->id : 0;
	}
	cgroup = sock_cgroup(sk);
	return cgroup ? BPF_CORE_READ(cgroup, kn, id) : 0;
}

/*
 * Returns whether a socket on its way to CLOSE, whose state is still the last one, has not sent its
 * SYN yet: connect() fails. One that was disconnected counts from 0 again (tcp_disconnect()).
 */
static __always_inline bool sock_is_unsent(const struct sock *sk)
{
	return PEEK(sock, sk, __sk_common.skc_state) == TCPDWELL_SYN_SENT &&
	       !PEEK(tcp_sock, sk, segs_out);
}

/*
 * Returns the local port of a socket on its way to CLOSE: inet_put_port() has cleared skc_num. If
 * connect() has found no port, the last one is that of an earlier connection.
 *
 * It is not inlined, to spare its caller's stack. It is static, so that it takes the socket as a
 * typed pointer.
 */
static __noinline __u16 sock_last_port(const struct sock *sk)
{
	if (sock_is_unsent(sk))
		return 0;
	return bpf_ntohs(PEEK(inet_sock, sk, inet_sport));
}

/*
 * Sets the local port of a socket on its way to CLOSE: it has none any more, so the last one
 * counts.
 */
static __always_inline void endpoint_set_last_port(struct endpoint *e, const struct sock *sk)
{
	e->lport = sock_last_port(sk);
	if (cfg_service)
		e->in_range = ports_in_range((__u64)PEEK(sock, sk, __sk_common.skc_net.net),
					     e->lport, e->rport);
}

static __always_inline void endpoint_read(struct endpoint *e, const struct sock *sk,
					  const bool direct)
{
	endpoint_read_common(e, &sk->__sk_common, direct);
	e->uid = direct ? sk->sk_uid.val : PEEK(sock, sk, sk_uid.val);
	e->cgroup_id = cfg_want_cgroup ? sock_cgroup_id(sk, direct) : 0;
}

/*
 * Returns the key of the map of connections. A cookie is made on first use and never reused. The
 * address of a socket is reused, but each life begins with a transition that voids what was
 * remembered before.
 */
static __always_inline __u64 sock_key(struct sock *sk)
{
	__u64 cookie;

	if (!cfg_has_cookie)
		return address_of(sk);
	cookie = sk->__sk_common.skc_cookie.counter;
	return cookie ?: bpf_get_socket_cookie(sk);
}

/* Returns whether anybody can have asked for the key of @sk before. */
static __always_inline bool sock_has_key(const struct sock *sk)
{
	return !cfg_has_cookie || sk->__sk_common.skc_cookie.counter;
}

/* The same for a socket without a BTF pointer, whose cookie some transition has made. */
static __always_inline __u64 sock_key_by_address(const struct sock *sk)
{
	return cfg_has_cookie ? (__u64)PEEK(sock, sk, __sk_common.skc_cookie.counter) :
				address_of(sk);
}

/*
 * Returns the address of the listener that a child was cloned from. It is right only at the child's
 * LISTEN -> SYN_RECV.
 *
 * An empty list points to itself, and a listener sends nothing, so its tsorted_sent_queue is empty.
 * inet_csk_clone_lock() copies the whole listener, and only later does tcp_create_openreq_child()
 * initialize the child's list. At the transition in between, the child's list still points into the
 * listener. The caller must not believe the address before it has found a listener there.
 */
static __always_inline __u64 child_listener(const struct sock *child)
{
	return (__u64)PEEK(tcp_sock, child, tsorted_sent_queue.next) -
	       bpf_core_field_offset(struct tcp_sock, tsorted_sent_queue);
}

/*
 * Returns IP_LOCAL_PORT_RANGE: the highest port << 16 | the lowest, each 0 if it is not set (6.3).
 * It is not inlined, because a loop would compute the addresses of both members in advance, and one
 * of them does not exist.
 */
static __noinline __u32 sock_port_range(__u64 address)
{
	const struct inet_sock *inet = (const struct inet_sock *)address;
	const struct inet_sock___v67 *old = (const void *)address;

	if (bpf_core_field_exists(inet->local_port_range))
		return BPF_CORE_READ(inet, local_port_range);
	if (bpf_core_field_exists(old->local_port_range.lo))
		return BPF_CORE_READ(old, local_port_range.lo) |
		       (__u32)BPF_CORE_READ(old, local_port_range.hi) << 16;
	return 0;
}

/*
 * Returns whether bind() took the port of a bucket, so that connect() passes over it
 * (__inet_hash_connect()). The bucket decides this, not the sockets in it.
 */
static __noinline bool bucket_is_bound(__u64 address)
{
	const struct inet_bind_bucket *bucket = (const struct inet_bind_bucket *)address;

	return bucket &&
	       (BPF_CORE_READ(bucket, fastreuse) >= 0 || BPF_CORE_READ(bucket, fastreuseport) >= 0);
}

static __always_inline bool sock_is_unacked(const struct sock *sk)
{
	return PEEK(tcp_sock, sk, snd_una) != PEEK(tcp_sock, sk, write_seq);
}

/*
 * Returns whether @sk is a subflow: it belongs to a socket of MPTCP, and no descriptor leads to it
 * (since 5.6).
 */
static __always_inline bool sock_is_subflow(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;

	return bpf_core_field_exists(tp->is_mptcp) && BPF_CORE_READ(tp, is_mptcp);
}

/* Returns the socket that the process has: for a subflow, the socket of MPTCP. */
static __always_inline const struct sock *sock_of_process(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;
	const struct mptcp_subflow_context *context;

	if (!bpf_core_type_exists(struct mptcp_subflow_context) || !sock_is_subflow(sk))
		return sk;
	context = BPF_CORE_READ(icsk, icsk_ulp_data);
	return BPF_CORE_READ(context, conn);
}

/*
 * Returns facts that decide on actor and reason (enum lifecycle_fact). It is called only at a move
 * to CLOSE.
 */
static __always_inline __u32 sock_facts(const struct sock *sk, const struct endpoint *e, __u8 from)
{
	unsigned long flags = sk->__sk_common.skc_flags;
	__u32 facts = 0;

	if (FOLLOW(sock, sk, sk_socket))
		facts |= LIFECYCLE_ATTACHED;
	else if (!(flags & (1UL << SOCK_DEAD)) && !sock_is_subflow(sk))
		facts |= LIFECYCLE_QUEUED;
	if (flags & (1UL << SOCK_DONE))
		facts |= LIFECYCLE_PEER_DONE;
	if (from == TCPDWELL_FIN_WAIT2 && PEEK(tcp_sock, sk, linger2) < 0)
		facts |= LIFECYCLE_NO_LINGER2;
	if ((from == TCPDWELL_CLOSING || from == TCPDWELL_LAST_ACK) && sock_is_unacked(sk))
		facts |= LIFECYCLE_UNACKED;
	if (!e->lport)
		facts |= LIFECYCLE_NO_PORT;
	return facts;
}

#endif /* TCPDWELL_SOCK_BPF_H */
