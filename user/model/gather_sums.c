// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>

#include "model/gather_inside.h"

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

/* Adds ends of connections that were open; @from is that of gather_end_from(). */
static void add_ends(struct fact_sum *sum, uint8_t from, uint8_t reason, uint64_t count)
{
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
		sum->resets[FACT_RESET_RECEIVED] += count;
		break;
	case TCPDWELL_REASON_RESET_SENT:
		sum->resets[from == TCPDWELL_FIN_WAIT2 ? FACT_RESET_AFTER_FIN : FACT_RESET_SENT] +=
			count;
		break;
	}
}

/* Returns whether a transition from a state that ends no connection leads to TIME_WAIT. */
static bool leads_to_timewait(uint8_t from)
{
	return from == TCPDWELL_FIN_WAIT2 || from == TCPDWELL_CLOSING;
}

int gather_sum(struct gather *g, uint32_t group, uint8_t from, bool ends, uint8_t reason,
	       uint64_t count)
{
	enum fact_error error = error_of_reason(reason);
	struct fact_sum *sum;

	/* As for single ends: a connection that was open ends when it enters TIME_WAIT. */
	if (!(ends ? from != TCPDWELL_TIME_WAIT && from != TCPDWELL_LISTEN &&
			      from != TCPDWELL_SYN_RECV :
		     leads_to_timewait(from)))
		return 0;
	if (from == TCPDWELL_SYN_SENT && error == FACT_ERRORS)
		return 0;
	sum = sum_of(g, group);
	if (!sum)
		return -ENOMEM;
	if (from == TCPDWELL_SYN_SENT)
		sum->failed[error] += count;
	else
		add_ends(sum, gather_end_from(from, reason), reason, count);
	return 0;
}

int gather_sum_calls(struct gather *g, uint32_t group, uint16_t err, uint64_t count)
{
	enum fact_error error = error_of_errno(err);
	struct fact_sum *sum = error < FACT_ERRORS ? sum_of(g, group) : NULL;

	if (error == FACT_ERRORS)
		return 0;
	if (!sum)
		return -ENOMEM;
	sum->calls[error] += count;
	return 0;
}
