/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the record of a connection says of its life: how it opened, how long it took, what it
 * carried; and whether the filters want it.
 *
 * What a socket counts is not what a program wrote and read: a SYN and a FIN take a sequence number
 * each, and are among the bytes acknowledged and received. Whether a SYN is, is known where the
 * handshake was seen. Of a connection that was there before, the bytes that were sent tell: they
 * are data alone, so what the sequence numbers span beyond them and a FIN is the SYN. Pure.
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

/* What is known only if something says so is behind a member that does. */
struct life {
	const struct tcpdwell_connection *connection;
	enum life_side side;
	bool open;	 /* it goes on */
	uint8_t worth;	 /* enum tcpdwell_dwell: of life_ns, exact if it was seen to open */
	uint8_t opening; /* of handshake_ns: how long from the SYN to ESTABLISHED */
	uint8_t waiting; /* of accept_ns: from ESTABLISHED to accept() */
	bool counted;	 /* its bytes are known */
	bool read;	 /* so are those that nobody read, or of one that is open, nobody yet */
	bool numbered;	 /* so are those of segments */
	uint64_t life_ns;
	uint64_t handshake_ns;
	uint64_t accept_ns;
	uint64_t sent; /* data, each byte once */
	uint64_t acked;
	uint64_t received;
	uint32_t unacked; /* written, and never acknowledged */
	uint32_t unread;
	uint32_t srtt_us;    /* 0: none was measured */
	uint32_t rtt_min_us; /* likewise */
};

/* @connection must outlive @life. */
void life_read(struct life *life, const struct tcpdwell_connection *connection);

/* How long it was in @state, what that is worth, and whether it ever was there. */
static inline uint64_t life_dwell_ns(const struct life *life, unsigned int state)
{
	return life->connection->life.dwell_ns[state - 1];
}

static inline uint8_t life_dwell(const struct life *life, unsigned int state)
{
	return life->connection->life.dwell[state - 1];
}

static inline bool life_visited(const struct life *life, unsigned int state)
{
	return life->connection->life.visited >> state & 1;
}

bool life_wanted(const struct life *life, const struct life_filter *filter);

/* "client", "server"; NULL: not known. */
const char *life_side_name(unsigned int side);

#endif /* TCPDWELL_LIFE_H */
