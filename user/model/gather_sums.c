// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "model/gather_inside.h"
#include "model/stat_table.h"

/* Returns the sum of a group. NULL: no memory. */
static struct fact_sum *sum_of(struct gather *g, uint32_t group)
{
	const struct fact_sum none = { 0 };

	while (g->sums.count <= group)
		if (gather_list_add(&g->sums, &none))
			return NULL;
	return (struct fact_sum *)g->sums.items + group;
}

/* Returns which error of connect() a reason stands for; FACT_ERRORS: none. */
static enum fact_error error_of_reason(uint8_t reason)
{
	switch (reason) {
	case TCPDWELL_REASON_REFUSED:
		return FACT_REFUSED;
	case TCPDWELL_REASON_TIMEOUT:
		return FACT_TIMED_OUT;
	case TCPDWELL_REASON_UNREACHABLE:
		return FACT_UNREACHABLE;
	default:
		return FACT_ERRORS;
	}
}

static enum fact_error error_of_errno(uint16_t err)
{
	switch (err) {
	case ECONNREFUSED:
		return FACT_REFUSED;
	case ETIMEDOUT:
		return FACT_TIMED_OUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENOPROTOOPT:
	case EPROTO:
		return FACT_UNREACHABLE;
	default:
		return FACT_ERRORS;
	}
}

/* Returns how many of an element's rows had a dwell of less than @limit_ns, to 1/32 of that. */
static uint64_t count_below(const struct tcpdwell_stat_key *key, const struct tcpdwell_stat *stat,
			    uint64_t limit_ns)
{
	uint64_t count = 0;

	if (key->chunk >= TCPDWELL_STAT_CHUNKS)
		return 0;
	for (unsigned int i = 0; i < TCPDWELL_STAT_BUCKETS; i++)
		if (buckets_lowest(key->chunk * TCPDWELL_STAT_BUCKETS + i) < limit_ns)
			count += stat->counts[i];
	return count;
}

static void add_resets(struct fact_sum *sum, enum fact_reset kind, uint64_t count, uint64_t brief)
{
	sum->resets[kind] += count;
	sum->brief[kind] += brief;
}

/* Adds ends of connections that were open. */
static void add_ends(struct fact_sum *sum, uint8_t state, uint8_t reason, uint64_t count,
		     uint64_t brief)
{
	uint8_t from = gather_end_from(state, reason);

	sum->ends += count;
	switch (reason) {
	case TCPDWELL_REASON_KEEPALIVE_TIMEOUT:
	case TCPDWELL_REASON_USER_TIMEOUT:
		sum->silent += count;
		break;
	case TCPDWELL_REASON_TIMEOUT:
		sum->unacknowledged += from == TCPDWELL_ESTABLISHED ? count : 0;
		break;
	case TCPDWELL_REASON_RESET_RECEIVED:
		add_resets(sum, FACT_RESET_RECEIVED, count, brief);
		break;
	case TCPDWELL_REASON_RESET_SENT:
		add_resets(sum, from == TCPDWELL_FIN_WAIT2 ? FACT_RESET_AFTER_FIN : FACT_RESET_SENT,
			   count, brief);
		break;
	}
}

/*
 * Returns true if the rows are ends as gather_end() has them: a connection that was open ends when
 * it enters TIME_WAIT. Those that reach CLOSE have a reason in their key; others that leave one of
 * two states enter TIME_WAIT.
 */
static bool are_ends(uint8_t from, bool to_close)
{
	if (!to_close)
		return from == TCPDWELL_FIN_WAIT2 || from == TCPDWELL_CLOSING;
	return from < TCPDWELL_STATE_MAX && from != TCPDWELL_TIME_WAIT && from != TCPDWELL_LISTEN &&
	       from != TCPDWELL_SYN_RECV;
}

int gather_sum(struct gather *g, uint32_t group, const struct tcpdwell_stat_key *key,
	       const struct tcpdwell_stat *stat)
{
	unsigned int end = key->number >> TCPDWELL_STAT_END_SHIFT;
	uint8_t reason = end ? end - 1 : TCPDWELL_REASON_NONE;
	enum fact_error error = error_of_reason(reason);
	uint64_t brief = 0, count;
	struct fact_sum *sum;

	if (!are_ends(key->state, end) || (key->state == TCPDWELL_SYN_SENT && error == FACT_ERRORS))
		return 0;
	sum = sum_of(g, group);
	if (!sum)
		return -ENOMEM;
	count = stat_element_rows(key, stat);
	if (key->state == TCPDWELL_ESTABLISHED)
		brief = count_below(key, stat, GATHER_BRIEF_NS);
	if (key->state == TCPDWELL_SYN_SENT)
		sum->failed[error] += count;
	else
		add_ends(sum, key->state, reason, count, brief);
	return 0;
}

int gather_sum_calls(struct gather *g, uint32_t group, uint16_t err, uint64_t count)
{
	enum fact_error error = error_of_errno(err);
	struct fact_sum *sum;

	if (error == FACT_ERRORS)
		return 0;
	sum = sum_of(g, group);
	if (!sum)
		return -ENOMEM;
	sum->calls[error] += count;
	return 0;
}
