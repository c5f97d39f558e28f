// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stddef.h>

#include "model/life.h"

/* As rtt_min_us of struct tcpdwell_numbers: no round trip was measured. */
#define NO_RTT UINT32_MAX

/*
 * ---- States -------------------------------------------------------------------------------------
 */

static bool is_exact(const struct life *life, unsigned int state)
{
	return life_visited(life, state) && life_dwell(life, state) == TCPDWELL_DWELL_EXACT;
}

/*
 * Returns the side. If the connection was seen to open, its states tell; otherwise the way in which
 * its owner is known.
 */
static enum life_side side_of(const struct life *life)
{
	if (life_visited(life, TCPDWELL_SYN_SENT))
		return LIFE_CLIENT;
	if (life_visited(life, TCPDWELL_SYN_RECV))
		return LIFE_SERVER;
	switch (life->connection->owner) {
	case TCPDWELL_OWNER_CONNECT:
		return LIFE_CLIENT;
	case TCPDWELL_OWNER_ACCEPT:
	case TCPDWELL_OWNER_LISTEN:
		return LIFE_SERVER;
	default:
		return LIFE_SIDE_UNKNOWN;
	}
}

const char *life_side_name(unsigned int side)
{
	static const char *const names[] = { NULL, "client", "server" };

	return side < sizeof(names) / sizeof(names[0]) ? names[side] : NULL;
}

/*
 * ---- Times --------------------------------------------------------------------------------------
 */

/* Returns true if the handshake is over, that is, if the connection left SYN_SENT and SYN_RECV. */
static bool has_opened(const struct life *life)
{
	const uint16_t handshake = 1U << TCPDWELL_SYN_SENT | 1U << TCPDWELL_SYN_RECV;
	uint8_t state = life->connection->state;

	if (life->connection->life.visited & ~handshake)
		return true;
	return !life->open && state != TCPDWELL_CLOSE;
}

/* If its SYN crossed the peer's, a client goes through both states. */
static void read_handshake(struct life *life)
{
	bool sent = life_visited(life, TCPDWELL_SYN_SENT);
	bool received = life_visited(life, TCPDWELL_SYN_RECV);

	if ((!sent && !received) || !has_opened(life))
		return;
	if ((sent && !is_exact(life, TCPDWELL_SYN_SENT)) ||
	    (received && !is_exact(life, TCPDWELL_SYN_RECV)))
		return;
	life->opening = TCPDWELL_DWELL_EXACT;
	life->handshake_ns = (sent ? life_dwell_ns(life, TCPDWELL_SYN_SENT) : 0) +
			     (received ? life_dwell_ns(life, TCPDWELL_SYN_RECV) : 0);
}

/* accept() on another processor may be stamped slightly earlier than the transition. */
static void read_times(struct life *life)
{
	const struct tcpdwell_connection *c = life->connection;
	uint64_t opened_ns = c->life.opened_ns, established_ns;

	if (opened_ns && c->ended_ns >= opened_ns) {
		life->life_ns = c->ended_ns - opened_ns;
		life->worth = c->life.opened == TCPDWELL_DWELL_EXACT && !life->open ?
				      TCPDWELL_DWELL_EXACT :
				      TCPDWELL_DWELL_AT_LEAST;
	}
	read_handshake(life);
	if (!c->life.accepted_ns || life->side != LIFE_SERVER || !life->opening ||
	    c->life.opened != TCPDWELL_DWELL_EXACT)
		return;
	established_ns = opened_ns + life->handshake_ns;
	life->waiting = TCPDWELL_DWELL_EXACT;
	if (c->life.accepted_ns > established_ns)
		life->accept_ns = c->life.accepted_ns - established_ns;
}

/*
 * ---- Bytes --------------------------------------------------------------------------------------
 */

/* Returns true if this side's FIN is the last of what was written. */
static bool has_fin(const struct tcpdwell_numbers *n)
{
	return n->state == TCPDWELL_FIN_WAIT1 || n->state == TCPDWELL_FIN_WAIT2 ||
	       n->state == TCPDWELL_CLOSING || n->state == TCPDWELL_LAST_ACK;
}

/* Before the SYN is acknowledged, data is sent with it (TCP Fast Open) or not at all. */
static void read_bytes_of_syn(struct life *life, const struct tcpdwell_numbers *n)
{
	life->counted = life->read = true;
	if (!n->segments_sent || !n->unacked)
		return;
	life->unacked = n->unacked - 1;
	life->sent = n->in_flight ? n->in_flight - 1 : 0;
}

/*
 * Returns 1 if a SYN is among the bytes acknowledged, 0 if not, or -1 if that cannot be told.
 * @spanned does not include a FIN.
 */
static int counts_syn(const struct life *life, const struct tcpdwell_numbers *n, uint64_t spanned)
{
	uint64_t sent = n->bytes_sent - n->bytes_retrans;

	if (life_visited(life, TCPDWELL_SYN_SENT))
		return 1;
	if (life_visited(life, TCPDWELL_SYN_RECV))
		return 0;
	return spanned == sent || spanned == sent + 1 ? (int)(spanned - sent) : -1;
}

/*
 * Returns true if this side has thrown away what came. Otherwise a process can still read it after
 * the connection is over.
 */
static bool is_thrown_away(uint8_t reason)
{
	return reason == TCPDWELL_REASON_RESET_SENT || reason == TCPDWELL_REASON_ABORTED ||
	       reason == TCPDWELL_REASON_LISTENER_CLOSED || reason == TCPDWELL_REASON_REPAIR;
}

static void read_received(struct life *life, const struct tcpdwell_numbers *n)
{
	bool fin = n->flags & TCPDWELL_NUMBERS_PEER_DONE;

	life->received = n->bytes_received;
	if (life->received && fin)
		life->received--;
	life->unread = n->unread;
	if (life->unread && fin)
		life->unread--;
	if (life->unread > life->received)
		life->unread = 0; /* sequence numbers of an earlier connection */
	life->read = life->open || !life->unread || !(n->flags & TCPDWELL_NUMBERS_QUEUED) ||
		     is_thrown_away(life->connection->reason);
}

static void read_bytes(struct life *life, const struct tcpdwell_numbers *n)
{
	bool fin_waits = has_fin(n) && n->unacked;
	bool fin_acked = has_fin(n) && !n->unacked;
	bool fin_sent = fin_waits && n->in_flight == n->unacked;
	uint64_t acked = n->bytes_acked - fin_acked;
	uint32_t in_flight = n->in_flight - fin_sent;
	int syn = counts_syn(life, n, acked + in_flight);

	if (syn < 0 || acked < (uint64_t)syn)
		return;
	if (life->side == LIFE_SIDE_UNKNOWN)
		life->side = syn ? LIFE_CLIENT : LIFE_SERVER;
	life->counted = true;
	life->acked = acked - syn;
	life->sent = life->acked + in_flight;
	life->unacked = n->unacked - fin_waits;
	read_received(life, n);
}

/*
 * A request carries no data. Apart from that, nothing is known of a connection that had no socket.
 */
static void read_numbers(struct life *life)
{
	const struct tcpdwell_connection *c = life->connection;
	const struct tcpdwell_numbers *n = &c->life.numbers;

	life->numbered = n->flags & TCPDWELL_NUMBERS_READ;
	if (!life->numbered) {
		life->counted = life->read = c->life.visited == 1U << TCPDWELL_SYN_RECV;
		return;
	}
	if (n->state == TCPDWELL_SYN_SENT)
		read_bytes_of_syn(life, n);
	else
		read_bytes(life, n);
	life->srtt_us = n->srtt_us / 8;
	life->rtt_min_us = n->rtt_min_us == NO_RTT ? 0 : n->rtt_min_us;
}

void life_read(struct life *life, const struct tcpdwell_connection *connection)
{
	*life = (struct life){ .connection = connection };
	life->open = connection->flags & TCPDWELL_CONNECTION_OPEN;
	life->side = side_of(life);
	read_times(life);
	read_numbers(life);
}

/*
 * ---- Filters ------------------------------------------------------------------------------------
 */

/* Something unknown counts neither as a long time nor as many bytes. */
bool life_wanted(const struct life *life, const struct life_filter *filter)
{
	const struct tcpdwell_connection *c = life->connection;

	if (filter->no_open && life->open)
		return false;
	if (filter->states && !(filter->states & c->life.visited))
		return false;
	if (filter->reasons && !(filter->reasons >> c->reason & 1))
		return false;
	if (filter->min_life_ns && (!life->worth || life->life_ns < filter->min_life_ns))
		return false;
	if (filter->min_bytes &&
	    (!life->counted || life->sent + life->received < filter->min_bytes))
		return false;
	for (unsigned int longer = filter->longer; longer; longer &= longer - 1) {
		unsigned int state = __builtin_ctz(longer);

		if (!life_visited(life, state) || !life_dwell(life, state) ||
		    life_dwell_ns(life, state) < filter->longer_ns[state])
			return false;
	}
	return true;
}
