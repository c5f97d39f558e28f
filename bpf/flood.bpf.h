/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Floods of requests that are not completed. Above a certain rate they are counted by port, and
 * none is shown.
 */
#ifndef TCPDWELL_FLOOD_BPF_H
#define TCPDWELL_FLOOD_BPF_H

#include "maps.bpf.h"

/* Slow and dropped requests that this CPU met in the second that began at second_ns. */
struct request_rate {
	__u64 second_ns;
	__u64 met;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct request_rate);
} request_rates SEC(".maps");

/* Floods by local port, since the reader last took them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TCPDWELL_FLOODS);
	__type(key, __u32);
	__type(value, struct tcpdwell_flood);
} floods SEC(".maps");

/* Slow and dropped requests that one CPU shows in a second. More than that is a flood. */
#define REQUESTS_SHOWN_SECOND 500

/* Counts a request that does not complete at once. Returns whether it is one too many. */
static __always_inline bool request_floods(__u64 now_ns)
{
	__u32 zero = 0;
	struct request_rate *rate = cfg_floods ? bpf_map_lookup_elem(&request_rates, &zero) : NULL;

	if (!rate || cfg_stat) /* a sum takes no more room, whatever is added */
		return false;
	if (now_ns - rate->second_ns > 1000000000ULL) {
		rate->second_ns = now_ns;
		rate->met = 0;
	}
	return rate->met++ >= REQUESTS_SHOWN_SECOND;
}

/*
 * Counts both rows of a request of which nothing was shown, or its connection, instead of telling
 * them.
 */
static __always_inline void request_fold(struct tcpdwell_counters *c, const struct endpoint *e)
{
	struct tcpdwell_flood first = { .folded = 1 }, *flood;
	__u32 port = e->lport;

	__sync_fetch_and_add(&c->seen, cfg_life ? 1 : 2);
	__sync_fetch_and_add(&c->folded, cfg_life ? 1 : 2);
	if (!cfg_floods)
		return;
	flood = bpf_map_lookup_elem(&floods, &port);
	if (flood)
		count(&flood->folded);
	else
		bpf_map_update_elem(&floods, &port, &first, BPF_NOEXIST);
	shared.flooding = 1;
}

/* Counts a handshake that completes at a port that is being flooded. */
static __always_inline void request_completes(const struct request_sock *req)
{
	__u32 port = PEEK(request_sock, req, __req_common.skc_num);
	struct tcpdwell_flood *flood;

	if (!cfg_floods || !shared.flooding)
		return;
	flood = bpf_map_lookup_elem(&floods, &port);
	if (flood)
		count(&flood->completed);
}

#endif /* TCPDWELL_FLOOD_BPF_H */
