// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "base/v4mapped.h"
#include "model/stat_rows.h"
#include "service.h"

/* Clears all but the first @bits bits of an address of @len bytes. */
static void keep_bits(uint8_t *addr, size_t len, unsigned int bits)
{
	for (size_t i = 0; i < len; i++, bits -= bits < 8 ? bits : 8)
		addr[i] &= bits < 8 ? 0xff00 >> bits : 0xff;
}

static void set_prefix(struct tcpdwell_stat_key *key, const struct stat_grouping *grouping,
		       const struct tcpdwell_transition *t)
{
	if (t->family == 6) {
		memcpy(key->addr, t->raddr, sizeof(key->addr));
		keep_bits(key->addr, sizeof(key->addr), grouping->prefix6);
		return;
	}
	v4mapped_set(key->addr, t->raddr);
	keep_bits(key->addr + V4MAPPED_PREFIX_BYTES, 4, grouping->prefix4);
}

/* The rows of a listener itself have one port, which is the service's. */
static uint16_t service_of(const struct tcpdwell_transition *t)
{
	if (!t->rport)
		return t->lport;
	return service_port(service_side_of(t->owner, 0, 0, 0), t->lport, t->rport);
}

static void set_group(struct tcpdwell_stat_key *key, const struct stat_grouping *grouping,
		      const struct tcpdwell_transition *t)
{
	bool owned = t->owner != TCPDWELL_OWNER_NONE;

	switch (grouping->by) {
	case TCPDWELL_BY_PROCESS:
		key->number = owned ? t->pid : 0;
		/* fallthrough */
	case TCPDWELL_BY_COMM:
		if (owned)
			memcpy(key->comm, t->comm, sizeof(key->comm));
		break;
	case TCPDWELL_BY_PORT:
		key->number = service_of(t);
		break;
	case TCPDWELL_BY_LPORT:
		key->number = t->lport;
		break;
	case TCPDWELL_BY_RPORT:
		key->number = t->rport;
		break;
	case TCPDWELL_BY_PREFIX:
		set_prefix(key, grouping, t);
		break;
	case TCPDWELL_BY_NETNS:
		key->words[0] = t->netns;
		break;
	case TCPDWELL_BY_STATE:
		break;
	default: /* groups of cgroups, whatever their names */
		key->cgroup_id = t->cgroup_id;
	}
}

bool stat_row_sum(const struct stat_grouping *grouping, const struct tcpdwell_transition *t,
		  struct tcpdwell_stat_key *key, struct tcpdwell_stat *sum)
{
	unsigned int bucket = 0;

	if (t->dwell == TCPDWELL_DWELL_UNKNOWN)
		return false;
	*key = (struct tcpdwell_stat_key){ .state = stat_state(t->from, t->to) };
	*sum = (struct tcpdwell_stat){ .max_ns = t->dwell_ns };
	key->chunk = stat_chunk(t->dwell);
	if (t->dwell == TCPDWELL_DWELL_EXACT) {
		bucket = buckets_index(t->dwell_ns);
		key->chunk = bucket / TCPDWELL_STAT_BUCKETS;
	}
	sum->counts[bucket % TCPDWELL_STAT_BUCKETS] = 1;
	set_group(key, grouping, t);
	return true;
}
