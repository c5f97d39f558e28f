/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the record of a connection says of its life: how it opened, how long it took, what it
 * carried; and whether the filters want it. Pure.
 *
 * The counters of a socket are not the bytes that a program wrote and read. A SYN and a FIN take a
 * sequence number each, and count as bytes acknowledged and received. If the handshake was seen, it
 * is known whether a SYN is among them. If the connection existed before, the bytes sent tell: they
 * are data only, so what the sequence numbers span beyond them and a FIN is the SYN.
 */
#ifndef TCPDWELL_LIFE_H
#define TCPDWELL_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/filters.h"
#include "wire.h"

enum life_side {
	LIFE_SIDE_UNKNOWN,
	LIFE_CLIENT,
	LIFE_SERVER,
};

/* A member that may be unknown comes with another one that says whether it is known. */
struct life {
	const struct tcpdwell_connection *connection;
	enum life_side side;
	bool open;	 /* it goes on; the record is not its last */
	uint8_t worth;	 /* enum tcpdwell_dwell, for life_ns; exact if it was seen to open */
	uint8_t opening; /* for handshake_ns, from the SYN to ESTABLISHED */
	uint8_t waiting; /* for accept_ns, from ESTABLISHED to accept() */
	bool counted;	 /* its bytes are known */
	bool read;	 /* unread is known */
	bool numbered;	 /* its segments are known */
	uint64_t life_ns;
	uint64_t handshake_ns;
	uint64_t accept_ns;
	uint64_t sent; /* data bytes, each counted once */
	uint64_t acked;
	uint64_t received;
	uint32_t unacked; /* written, but not acknowledged */
	uint32_t unread;
	uint32_t srtt_us;    /* 0: none was measured */
	uint32_t rtt_min_us; /* likewise */
};

/* @connection must outlive @life. */
void life_read(struct life *life, const struct tcpdwell_connection *connection);

/*
 * How long it was in @state, what that is worth (enum tcpdwell_dwell), and whether it was there at
 * all.
 */
static inline uint64_t life_dwell_ns(const struct life *life, unsigned int state)
{
	uint32_t at = tcpdwell_life_index(state);

	return at < TCPDWELL_LIFE_DWELLS ? life->connection->life.dwell_ns[at] : 0;
}

static inline uint8_t life_dwell(const struct life *life, unsigned int state)
{
	return life->connection->life.worth >> tcpdwell_life_worth_at(state) & 3;
}

static inline bool life_visited(const struct life *life, unsigned int state)
{
	return life->connection->life.visited >> state & 1;
}

bool life_wanted(const struct life *life, const struct life_filter *filter);

/* Returns "client" or "server"; NULL: not known. */
const char *life_side_name(unsigned int side);

#endif /* TCPDWELL_LIFE_H */
