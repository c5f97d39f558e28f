// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stddef.h>
#include <string.h>

#include "base/fnv.h"
#include "model/gather_inside.h"

/*
 * Sets the service's port. The other port differs between connections of one service, so it is left
 * out.
 */
static void end_set_ports(const struct gather *g, struct fact_end *end,
			  const struct tcpdwell_transition *t)
{
	enum service_side side = service_side(t->owner, 0, t->lport, t->rport,
					      gather_port_range(g, t->netns));

	if (side == SERVICE_REMOTE || t->from == TCPDWELL_SYN_SENT)
		end->at.rport = t->rport;
	else if (side == SERVICE_LOCAL)
		end->at.lport = t->lport;
}

/* The first SYN is sent again after a second. */
#define SYN_AGAIN_NS 1000000000ULL

/* An answer comes sooner than that, even from the other side of the world. */
#define SYN_ANSWER_NS 200000000ULL

uint8_t gather_end_from(uint8_t from, uint8_t reason)
{
	switch (from) {
	case TCPDWELL_SYN_SENT:
		return TCPDWELL_SYN_SENT;
	case TCPDWELL_FIN_WAIT1:
	case TCPDWELL_FIN_WAIT2:
		return reason == TCPDWELL_REASON_RESET_SENT || reason == TCPDWELL_REASON_TIMEOUT ?
			       TCPDWELL_FIN_WAIT2 :
			       TCPDWELL_ESTABLISHED;
	case TCPDWELL_CLOSING:
	case TCPDWELL_LAST_ACK:
		return reason == TCPDWELL_REASON_TIMEOUT ? TCPDWELL_FIN_WAIT2 :
							   TCPDWELL_ESTABLISHED;
	default:
		return TCPDWELL_ESTABLISHED;
	}
}

/* Returns true if the process closed a connection that had no answer after @least_ns. */
static bool is_given_up(const struct tcpdwell_transition *t, uint64_t least_ns)
{
	return t->from == TCPDWELL_SYN_SENT && t->reason == TCPDWELL_REASON_ABORTED && !t->err &&
	       t->dwell != TCPDWELL_DWELL_UNKNOWN && t->dwell_ns >= least_ns;
}

/* Returns true if the client reset the connection as soon as it was open. */
static bool is_brief(const struct fact_end *end, const struct tcpdwell_transition *t)
{
	bool by_client = end->at.rport ?
				 t->reason == TCPDWELL_REASON_RESET_SENT :
				 end->at.lport && t->reason == TCPDWELL_REASON_RESET_RECEIVED;

	return by_client && t->from == TCPDWELL_ESTABLISHED && t->dwell == TCPDWELL_DWELL_EXACT &&
	       t->dwell_ns < GATHER_BRIEF_NS;
}

/* Connections that failed to open are told apart by destination, others by service. */
static void end_set(const struct gather *g, struct fact_end *end,
		    const struct tcpdwell_transition *t)
{
	memset(end, 0, sizeof(*end)); /* includes the padding, since ends are compared as bytes */
	end->at.netns = t->netns;
	end->at.family = t->family;
	end->reason = t->reason;
	end->err = t->err;
	end->from = gather_end_from(t->from, t->reason);
	if (t->owner) {
		end->owner.pid = t->pid;
		memcpy(end->owner.comm, t->comm, sizeof(end->owner.comm));
	}
	end_set_ports(g, end, t);
	end->brief = is_brief(end, t);
	if (t->from != TCPDWELL_SYN_SENT)
		return;
	end->given_up = is_given_up(t, SYN_AGAIN_NS);
	end->hasty = !end->given_up && is_given_up(t, SYN_ANSWER_NS);
	memcpy(end->at.raddr, t->raddr, sizeof(end->at.raddr));
}

static bool is_same_end(const struct fact_end *end, const struct fact_end *like)
{
	return !memcmp(end, like, offsetof(struct fact_end, count));
}

int gather_end(struct gather *g, const struct tcpdwell_transition *t)
{
	struct fact_end end, *ends = g->ends.items;
	uint64_t waited_ns = 0;
	uint32_t slot;

	if ((t->to != TCPDWELL_CLOSE && t->to != TCPDWELL_TIME_WAIT) ||
	    t->from == TCPDWELL_TIME_WAIT || t->from == TCPDWELL_LISTEN ||
	    t->from == TCPDWELL_SYN_RECV)
		return 0;
	if (is_given_up(t, SYN_ANSWER_NS))
		waited_ns = t->dwell_ns;
	end_set(g, &end, t);
	for (slot = fnv32(FNV32_BEGIN, &end, sizeof(end)); g->end_index[slot % END_SLOTS]; slot++) {
		struct fact_end *known = &ends[g->end_index[slot % END_SLOTS] - 1];

		if (!is_same_end(known, &end))
			continue;
		known->count++;
		known->last_ns = t->time_ns;
		if (waited_ns > known->waited_ns)
			known->waited_ns = waited_ns;
		return 0;
	}
	if (g->ends.count == GATHER_ENDS) {
		g->lost++;
		return 0;
	}
	end.count = 1;
	end.first_ns = end.last_ns = t->time_ns;
	end.waited_ns = waited_ns;
	g->end_index[slot % END_SLOTS] = g->ends.count + 1;
	return gather_list_add(&g->ends, &end);
}

struct fact_failure gather_failure_of(const struct tcpdwell_failed_call *call,
				      const struct tcpdwell_failed_calls *calls, uint64_t count)
{
	struct fact_failure failure = {
		.owner.pid = call->pid,
		.at = { .netns = call->netns, .family = call->family },
		.call = call->call == TCPDWELL_CALL_BIND   ? FACT_BIND :
			call->call == TCPDWELL_CALL_LISTEN ? FACT_LISTEN :
			call->call == TCPDWELL_CALL_ACCEPT ? FACT_ACCEPT :
							     FACT_CONNECT,
		.err = call->err,
		.v6only = call->v6only,
		.count = count,
	};

	memcpy(failure.owner.comm, calls->comm, sizeof(failure.owner.comm));
	if (failure.call != FACT_CONNECT) {
		failure.at.lport = call->port;
		memcpy(failure.at.laddr, call->addr, sizeof(failure.at.laddr));
	} else {
		failure.at.rport = call->port;
		memcpy(failure.at.raddr, call->addr, sizeof(failure.at.raddr));
	}
	return failure;
}

int gather_failure(struct gather *g, const struct fact_failure *failure)
{
	return gather_list_add(&g->failures, failure);
}
