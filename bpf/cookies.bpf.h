/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Floods under SYN cookies. The kernel makes no request then, so no state changes and no event
 * tells of the flood. But the listener notes when it last sent a cookie, and its namespace counts
 * the cookies. User space asks for both once a second, as long as a listener may send cookies: the
 * kernel does so only while the listener's queue of requests is full, or if the namespace's setting
 * says that it always does. Before the queue is full for long, the timer of a request in it runs
 * out, and wakes user space.
 *
 * Of this file, transitions run only listener_begins() and listener_ends(), when a socket starts or
 * stops listening.
 */
#ifndef TCPDWELL_COOKIES_BPF_H
#define TCPDWELL_COOKIES_BPF_H

#include "connection.bpf.h"

/*
 * Indices of SyncookiesSent and SyncookiesRecv among the namespace's counters, the same in all
 * versions (include/uapi/linux/snmp.h). The index of ReqQFullDoCookies has changed. It counts what
 * SyncookiesSent counts, and with tcp_syncookies=2 it also counts cookies when no queue is full
 * (tcp_syn_flood_action()).
 */
#define LINUX_MIB_SYNCOOKIESSENT 1
#define LINUX_MIB_SYNCOOKIESRECV 2

/* Values of net.ipv4.tcp_syncookies. */
#define SYNCOOKIES_ALWAYS 2

/* A cookie that was sent this long ago may still have to be reported (model/cookie_flood.c). */
#define COOKIE_FRESH_NS 4000000000ULL

/* The most processors whose counters are added up. */
#define CPUS_MAX 1024

/* Listeners by their address. The value is the key of what is remembered of the listener. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCPDWELL_LISTENERS);
	__type(key, __u64);
	__type(value, __u64);
} listeners SEC(".maps");

/* What the last call of cookies_look() has found. */
struct tcpdwell_cookies cookies_seen;

/*
 * Namespaces whose counters this look has read for a listener that never sent a cookie. Reading
 * them in advance makes even the first cookies a difference of two readings. The number is limited,
 * because each namespace costs a sum over all processors.
 */
#define COUNTED_MAX 16

static struct {
	__u64 look;
	__u32 count;
	__u32 netns[COUNTED_MAX];
} counted;

/* Returns true if the counters of @netns need not be read, or if there is no room to note it. */
static __always_inline bool is_counted(__u32 netns, __u64 look)
{
	if (counted.look != look) {
		counted.look = look;
		counted.count = 0;
	}
	for (__u32 i = 0; i < COUNTED_MAX && i < counted.count; i++)
		if (counted.netns[i] == netns)
			return true;
	if (counted.count >= COUNTED_MAX)
		return true;
	counted.netns[counted.count++ % COUNTED_MAX] = netns;
	return false;
}

/*
 * A wanted socket begins to listen, or already listens. A listener that finds no room is not looked
 * at.
 */
static __noinline int listener_begins(__u64 sk, __u64 key)
{
	const __u64 *known = cfg_cookies ? bpf_map_lookup_elem(&listeners, &sk) : NULL;

	if (!cfg_cookies || (known && *known == key))
		return 0;
	bpf_map_update_elem(&listeners, &sk, &key, BPF_ANY);
	wake_for_listeners();
	return 0;
}

static __noinline int listener_ends(__u64 sk)
{
	if (cfg_cookies)
		bpf_map_delete_elem(&listeners, &sk);
	return 0;
}

/*
 * Returns the jiffies at which the listener last sent a cookie; the kernel sets them once a second
 * at most (tcp_synq_overflow()). 0 means never, although jiffies pass 0 five minutes after boot.
 */
static __always_inline __u32 last_cookie(const struct sock *sk)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)sk;
	const struct sock_reuseport *group = BPF_CORE_READ(sk, sk_reuseport_cb);

	if (BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_reuseport) && group)
		return BPF_CORE_READ(group, synq_overflow_ts);
	return BPF_CORE_READ(tp, rx_opt.ts_recent_stamp);
}

static __always_inline bool cookies_always(const struct net *net)
{
	return BPF_CORE_READ_BITFIELD_PROBED(net, ipv4.sysctl_tcp_syncookies) == SYNCOOKIES_ALWAYS;
}

/*
 * Returns whether the listener may send a cookie before the timer of a request runs out, or has
 * sent one @past_ns ago and may be reported once more. To older kernels a queue without room is
 * full even when it is empty.
 */
static __always_inline bool cookies_may_come(const struct sock *sk, const struct net *net,
					     __u64 past_ns)
{
	const struct inet_connection_sock *icsk = (const struct inet_connection_sock *)sk;

	return !cfg_requests || past_ns < COOKIE_FRESH_NS ||
	       BPF_CORE_READ(icsk, icsk_accept_queue.qlen.counter) ||
	       !BPF_CORE_READ(sk, sk_max_ack_backlog) || cookies_always(net);
}

/*
 * Returns one CPU's part of a counter. The verifier looks at a function of numbers once, not in
 * each turn of a loop.
 */
__noinline __u64 cookies_of_cpu(__u64 counter, __u32 cpu)
{
	__u64 offset = 0, count = 0;

	bpf_probe_read_kernel(&offset, sizeof(offset),
			      (void *)(cfg_per_cpu_offset + cpu * sizeof(offset)));
	bpf_probe_read_kernel(&count, sizeof(count), (void *)(counter + offset));
	return count;
}

/* Returns a counter of a namespace; 0 if it is not known. */
__noinline __u64 cookies_count(__u64 address, __u32 place)
{
	const struct net *net = (const struct net *)address;
	__u64 counter = (__u64)BPF_CORE_READ(net, mib.net_statistics), sum = 0;

	counter += place * sizeof(sum);
	for (__u32 cpu = 0; cfg_per_cpu_offset && cpu < CPUS_MAX && cpu < cfg_cpus; cpu++)
		sum += cookies_of_cpu(counter, cpu);
	return sum;
}

/* Reads the address of a listener, for commands whose rows need no addresses (stat). */
static __always_inline void listener_address(const struct sock *sk)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) != AF_INET6) {
		addr_set_v4(cookies_seen.laddr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
	} else if (bpf_core_field_exists(sk->__sk_common.skc_v6_rcv_saddr)) {
		cookies_seen.family = 6;
		addr_read_v6(cookies_seen.laddr, &sk->__sk_common.skc_v6_rcv_saddr, false);
	}
}

/*
 * Returns whether the socket listens and is wanted, and writes what it says to cookies_seen. For a
 * listener that never sent a cookie, it does so only once for each namespace in a look.
 */
__noinline int cookies_look(__u64 address, __u64 key, __u64 look)
{
	const struct sock *sk = (const struct sock *)address;
	struct lifecycle *l = connection_find(key);
	const struct net *net;
	struct endpoint e;
	__u64 past_ns;
	__u32 last;

	__builtin_memset(&cookies_seen, 0, sizeof(cookies_seen));
	if (!l || l->state != TCPDWELL_LISTEN || sock_key_by_address(sk) != l->id ||
	    !owner_wanted(l))
		return 0;
	endpoint_read(&e, sk, false);
	if (!filter_connection(sk, &e, false))
		return 0;
	last = last_cookie(sk);
	past_ns = last ? ((__u32)bpf_jiffies64() - last) * cfg_tick_ns : ~0ULL;
	net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	if (cookies_may_come(sk, net, past_ns))
		shared.listeners_rest = 0;
	if (!last && is_counted(e.netns, look))
		return 0;
	cookies_seen.netns = e.netns;
	cookies_seen.family = e.family;
	cookies_seen.lport = e.lport;
	__builtin_memcpy(cookies_seen.laddr, e.laddr, sizeof(cookies_seen.laddr));
	if (cfg_skip_addrs)
		listener_address(sk);
	cookies_seen.past_ns = past_ns;
	cookies_seen.sent = cookies_count((__u64)net, LINUX_MIB_SYNCOOKIESSENT);
	cookies_seen.valid = cookies_count((__u64)net, LINUX_MIB_SYNCOOKIESRECV);
	cookies_seen.always = cookies_always(net);
	if (l->owner != TCPDWELL_OWNER_NONE) {
		cookies_seen.pid = l->pid;
		__builtin_memcpy(cookies_seen.comm, l->comm, OWNER_COMM_LEN);
	}
	return 1;
}

#endif /* TCPDWELL_COOKIES_BPF_H */
