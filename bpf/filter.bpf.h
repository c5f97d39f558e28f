/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Filters, the cheapest first. Filters of the connection are asked before anything is looked up or
 * remembered. Filters of one transition are asked for each row.
 */
#ifndef TCPDWELL_FILTER_BPF_H
#define TCPDWELL_FILTER_BPF_H

#include "owner.bpf.h"
#include "row.bpf.h"
#include "sock.bpf.h"

/* Prefixes of --addr. IPv4 addresses are v4-mapped, so one trie serves both families. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct tcpdwell_prefix);
	__type(value, __u8);
} prefixes SEC(".maps");

static __always_inline bool port_in(const volatile __u64 *set, __u16 port)
{
	return set[port / 64] >> (port % 64) & 1;
}

static __always_inline bool ports_wanted(__u16 lport, __u16 rport)
{
	if (cfg_filter_rport && !port_in(cfg_rports, rport))
		return false;
	if (cfg_filter_lport && !port_in(cfg_lports, lport))
		return false;
	return !cfg_filter_port || port_in(cfg_ports, lport) || port_in(cfg_ports, rport);
}

/*
 * Returns whether the ports of a full socket, request or timewait socket that has both allow it to
 * be wanted. It is asked first, because without that all else would be in vain. Without a filter of
 * ports it costs nothing.
 */
static __always_inline bool ports_pass(const struct sock_common *skc)
{
	if (!config_filters_local_port() && !cfg_filter_rport)
		return true;
	return ports_wanted(PEEK(sock_common, skc, skc_num),
			    bpf_ntohs(PEEK(sock_common, skc, skc_dport)));
}

static __always_inline bool prefix_has(const struct endpoint *e, const __u8 *addr)
{
	struct tcpdwell_prefix p = { .length = 128 };
	const __u8 *family;

	if (e->family == 4) {
		p.addr[10] = p.addr[11] = 0xff;
		__builtin_memcpy(p.addr + 12, addr, 4);
	} else {
		__builtin_memcpy(p.addr, addr, 16);
	}
	/* ::/0 matches all of IPv6 and nothing of IPv4, although IPv4 lies below it in the trie. */
	family = bpf_map_lookup_elem(&prefixes, &p);
	return family && *family == e->family;
}

/*
 * Returns whether connect() may give @sk a local port that is wanted. It takes one of the
 * namespace's range (inet_hash_connect()), or of a part of it (IP_LOCAL_PORT_RANGE, 6.3). A
 * service's port is not in that range as a rule, and then no client has to wait for its port.
 */
static __always_inline bool may_get_wanted_port(const struct sock *sk)
{
	__u32 range = netns_port_range((__u64)BPF_CORE_READ(sk, __sk_common.skc_net.net));

	return (range & 0xffff) <= cfg_highest_lport && range >> 16 >= cfg_lowest_lport;
}

/*
 * Returns whether the connection is wanted. With @early, a local port that the connection does not
 * have yet (0) counts as wanted: the decision comes with the port. Otherwise a port of 0 is in no
 * set.
 */
static __always_inline bool filter_connection(const struct sock *sk, const struct endpoint *e,
					      const bool early)
{
	bool any_lport = early && config_filters_local_port() && !e->lport &&
			 may_get_wanted_port(sk);

	if (cfg_family && e->family != cfg_family)
		return false;
	if (cfg_filter_rport && !port_in(cfg_rports, e->rport))
		return false;
	if (cfg_filter_lport && !any_lport && !port_in(cfg_lports, e->lport))
		return false;
	if (cfg_filter_port && !any_lport && !port_in(cfg_ports, e->lport) &&
	    !port_in(cfg_ports, e->rport))
		return false;
	if (cfg_netns && e->netns != cfg_netns)
		return false;
	if (cfg_filter_addr && !prefix_has(e, e->laddr) && !prefix_has(e, e->raddr))
		return false;
	return true;
}

static __always_inline bool uid_wanted(__u32 uid)
{
	for (__u32 i = 0; i < TCPDWELL_FILTER_IDS && i < cfg_uid_count; i++)
		if (cfg_uids[i] == uid)
			return true;
	return false;
}

/*
 * Returns whether a row is wanted, once its connection is. An unknown dwell does not count as a
 * long one. The user is asked here, because it may change: accept() changes it from the listener's
 * to that of the process.
 */
static __always_inline bool filter_row(const struct row *row, const struct endpoint *e)
{
	if (cfg_uid_count && !uid_wanted(e->uid))
		return false;
	if (cfg_from_states && !(cfg_from_states >> row->from & 1))
		return false;
	if (cfg_to_states && !(cfg_to_states >> row->to & 1))
		return false;
	if (cfg_either_states &&
	    !((cfg_either_states >> row->from | cfg_either_states >> row->to) & 1))
		return false;
	if (cfg_min_dwell_ns &&
	    (row->dwell == TCPDWELL_DWELL_UNKNOWN || row->dwell_ns < cfg_min_dwell_ns))
		return false;
	if (cfg_reasons && !(cfg_reasons >> row->reason & 1))
		return false;
	return true;
}

#endif /* TCPDWELL_FILTER_BPF_H */
