/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The last RST by which a CPU answered a segment. It tells why a request or a timewait socket
 * ended.
 */
#ifndef TCPDWELL_RESET_BPF_H
#define TCPDWELL_RESET_BPF_H

#include "maps.bpf.h"

/* The last RST by which this CPU answered a segment: when, and for which socket. */
struct reset {
	__u64 ns;
	__u64 sock;
	/* The port that the segment came from: its TCP header begins with it. */
	__be16 rport;
	__u16 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct reset);
} resets SEC(".maps");

/*
 * How long an RST is fresh. The kernel sends an RST of ours before it drops the request or the
 * timewait socket, in the same call and on this CPU. The CPU may be interrupted in between.
 */
#define RESET_FRESH_NS 10000000ULL

/* Notes an RST by which the socket @sk answers @skb. */
static __always_inline void reset_sent(const struct sock *sk, const struct sk_buff *skb)
{
	__u32 zero = 0;
	struct reset *reset = bpf_map_lookup_elem(&resets, &zero);
	const __u8 *header;

	if (!reset)
		return;
	reset->ns = bpf_ktime_get_ns();
	reset->sock = (__u64)sk;
	reset->rport = 0;
	if (!skb)
		return;
	header = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header);
	bpf_probe_read_kernel(&reset->rport, sizeof(reset->rport), header);
}

/*
 * Returns whether @sock, a listener or a timewait socket, has just sent an RST to the peer of @skc.
 */
static __always_inline bool reset_is_fresh(const void *sock, const struct sock_common *skc)
{
	__u32 zero = 0;
	const struct reset *reset = cfg_resets ? bpf_map_lookup_elem(&resets, &zero) : NULL;

	return reset && reset->sock == (__u64)sock &&
	       reset->rport == BPF_CORE_READ(skc, skc_dport) &&
	       bpf_ktime_get_ns() - reset->ns < RESET_FRESH_NS;
}

#endif /* TCPDWELL_RESET_BPF_H */
