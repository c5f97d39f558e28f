/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sums of rows, for `tcpdwell stat` and `export`. Rows are summed here instead of being sent to
 * user space, or in addition to that.
 *
 * There are two maps, and programs add to one of them. The reader switches to the other one, and
 * the kernel completes that only when no program is left that may have seen the first one
 * (map-in-map, 4.20). So the map that the reader then reads and empties does not change, and no row
 * is lost or counted twice.
 */
#ifndef TCPDWELL_STAT_BPF_H
#define TCPDWELL_STAT_BPF_H

#include "config.bpf.h"
#include "owner.bpf.h"
#include "row.bpf.h"
#include "service.h"
#include "stat.h"

struct stat_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct tcpdwell_stat_key);
	__type(value, struct tcpdwell_stat);
};

struct stat_map stat_even SEC(".maps");
struct stat_map stat_odd SEC(".maps");

/* Holds the map that programs add to. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct stat_map);
} stats SEC(".maps"); /* the loader fills it */

/*
 * The initial value of an element. It is too large for the stack of programs that call each other.
 */
static const struct tcpdwell_stat stat_empty;

/*
 * Counts what becomes of a row, unless the row is sent as well: then the account covers rows in the
 * ring.
 */
static __always_inline void stat_count_row(__u64 *counter)
{
	if (!cfg_rows)
		count(counter);
}

/*
 * Puts the process into the key as a whole. It reads in the order of owner_read(), which would take
 * more stack.
 */
static __always_inline void stat_key_owner(struct tcpdwell_stat_key *key, const struct lifecycle *l)
{
	__u32 pid = *(const volatile __u32 *)&l->pid;
	__u8 owner;

	l = order_after(l, pid);
	__builtin_memcpy(key->comm, l->comm, sizeof(l->comm));
	l = order_after(l, key->words[0] | key->words[1]);
	owner = *(const volatile __u8 *)&l->owner;
	l = order_after(l, owner);
	if (owner == TCPDWELL_OWNER_NONE || pid != *(const volatile __u32 *)&l->pid) {
		key->words[0] = key->words[1] = 0;
		return;
	}
	if (cfg_stat_by == TCPDWELL_BY_PROCESS)
		key->number = pid;
}

static __always_inline void stat_key_prefix(struct tcpdwell_stat_key *key, const struct endpoint *e)
{
	const __u32 *addr = (const __u32 *)e->raddr;
	__u32 *to = (__u32 *)key->addr;

	if (e->family == 4) {
		to[2] = bpf_htonl(0xffff);
		to[3] = addr[0] & cfg_stat_mask4;
		return;
	}
	to[0] = addr[0] & cfg_stat_mask6[0];
	to[1] = addr[1] & cfg_stat_mask6[1];
	to[2] = addr[2] & cfg_stat_mask6[2];
	to[3] = addr[3] & cfg_stat_mask6[3];
}

/*
 * Returns the service's port. A listener's own rows have one port, which is the service's. It is a
 * function of numbers, because the stack of its callers has no room for more
 * (release_unaccepted()).
 */
__noinline __u32 stat_service_port(__u32 owner, __u32 lport, __u32 rport, __u32 in_range)
{
	if (!rport)
		return lport;
	if (!lport)
		in_range = 0;
	return service_port(service_side_of(owner, 0, in_range & 1, in_range >> 1 & 1), lport,
			    rport);
}

static __always_inline void stat_key_group(struct tcpdwell_stat_key *key, const struct endpoint *e,
					   const struct lifecycle *l)
{
	switch (cfg_stat_by) {
	case TCPDWELL_BY_PROCESS:
	case TCPDWELL_BY_COMM:
		stat_key_owner(key, l);
		break;
	case TCPDWELL_BY_PORT:
		key->number = stat_service_port(*(const volatile __u8 *)&l->owner, e->lport,
						e->rport, e->in_range);
		break;
	case TCPDWELL_BY_LPORT:
		key->number = e->lport;
		break;
	case TCPDWELL_BY_RPORT:
		key->number = e->rport;
		break;
	case TCPDWELL_BY_PREFIX:
		stat_key_prefix(key, e);
		break;
	case TCPDWELL_BY_CGROUP:
		key->cgroup_id = e->cgroup_id;
		break;
	case TCPDWELL_BY_NETNS:
		key->words[0] = e->netns;
		break;
	}
}

static __always_inline struct tcpdwell_stat *stat_element(const struct tcpdwell_stat_key *key)
{
	__u32 zero = 0;
	void *map = cfg_stat ? bpf_map_lookup_elem(&stats, &zero) : NULL;
	struct tcpdwell_stat *stat;

	if (!map)
		return NULL;
	stat = bpf_map_lookup_elem(map, key);
	if (stat)
		return stat;
	/* A program that this one has interrupted may be first. Its element serves both. */
	bpf_map_update_elem(map, key, &stat_empty, BPF_NOEXIST);
	if (cfg_stat_by == TCPDWELL_BY_CGROUP)
		wake_reader(); /* it looks for the name while the cgroup is there */
	return bpf_map_lookup_elem(map, key);
}

/*
 * Adds a dwell to the group of @number and two words. @state_and_worth is a state, and above it how
 * exact the dwell is. It is a function of numbers, so the verifier looks at it once, not at each
 * call.
 *
 * No value is kept that can be asked for again: Linux 5.10 gives programs that call each other 512
 * bytes of stack, in pieces of 32, and this is the last of three.
 *
 * Programs nest on a CPU, so one instruction adds to a count. The greatest value is updated in
 * several. One that comes in the middle of that may be forgotten, but user space knows its bucket.
 */
__noinline int stat_count(__u64 dwell_ns, __u32 state_and_worth, __u32 number, __u64 word,
			  __u64 other_word)
{
	struct tcpdwell_counters *c;
	struct tcpdwell_stat_key key = {
		.state = state_and_worth,
		.chunk = stat_chunk(state_and_worth >> 8),
		.number = number,
		.words = { word, other_word },
	};
	struct tcpdwell_stat *stat;
	__u32 bucket = 0;

	/* The key is written before the first call, so that no argument must be kept across it. */
	asm volatile("" : : "r"(&key) : "memory");
	key.cpu = bpf_get_smp_processor_id();
	if (state_and_worth >> 8 == TCPDWELL_DWELL_EXACT) {
		bucket = buckets_index(dwell_ns);
		key.chunk = bucket / TCPDWELL_STAT_BUCKETS;
		bucket %= TCPDWELL_STAT_BUCKETS;
	}
	stat = stat_element(&key);
	c = counters_here();
	if (!c)
		return 0;
	if (!stat) {
		if (cfg_rows)
			count(&sums_lost);
		else
			count(&c->lost_map);
		return 0;
	}
	count(&stat->counts[bucket]);
	if (dwell_ns > stat->max_ns)
		stat->max_ns = dwell_ns;
	stat_count_row(&c->emitted);
	return 0;
}

/*
 * Counts a wanted row in the sums. A row without a dwell, such as the first of each life, has
 * nothing to add, unless it is to say how a connection ended.
 */
static __always_inline void stat_add(struct tcpdwell_counters *c, const struct row *row,
				     const struct endpoint *e, const struct lifecycle *l)
{
	struct tcpdwell_stat_key group = {};
	bool ends = cfg_stat_ends && row->to == TCPDWELL_CLOSE;
	__u32 state;

	if (row->dwell == TCPDWELL_DWELL_UNKNOWN && !ends) {
		stat_count_row(&c->undated);
		return;
	}
	stat_key_group(&group, e, l);
	if (ends)
		group.number |= (row->reason + 1U) << TCPDWELL_STAT_END_SHIFT;
	/* Where ends are told apart, they also say which handshakes completed. */
	state = cfg_stat_ends ? row->from : stat_state(row->from, row->to);
	stat_count(row->dwell_ns, state | (__u32)row->dwell << 8, group.number, group.words[0],
		   group.words[1]);
}

#endif /* TCPDWELL_STAT_BPF_H */
