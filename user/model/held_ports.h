/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts which local ports clients hold: by destination, and for ports that bind() took, by local
 * address. It takes one socket after the other, and its memory is bounded whatever their number.
 * Pure, one thread at a time.
 *
 * There is room for HELD_DESTINATIONS. When it is full, destinations with the fewest sockets are
 * dropped. A dropped destination may come back and begins at 0 again, so a count can be too low by
 * up to held_ports_short(). It is never too high. Ports that bind() took are counted for
 * HELD_SOURCES local addresses.
 */
#ifndef TCPDWELL_HELD_PORTS_H
#define TCPDWELL_HELD_PORTS_H

#include "model/facts.h"
#include "model/tally.h"

#define HELD_DESTINATIONS 4096
#define HELD_SOURCES	  128

/* The counts of one destination; for bound ports, those of one local address. */
struct held {
	struct fact_address at; /* without the local port; if bound, also without the remote end */
	uint32_t scope;
	bool bound;
	bool range_known, range_varies; /* as in struct tally */
	uint16_t range_low, range_high;
	uint32_t open; /* ports of sockets that are not in TIME_WAIT */
	uint32_t timewait;
	uint32_t entered; /* those that entered TIME_WAIT in the last TALLY_RATE_SECONDS */
	uint16_t due[TALLY_SECONDS]; /* those in TIME_WAIT, by seconds to go */
};

struct held_ports;

/* Returns NULL with errno set. The caller frees it. */
struct held_ports *held_ports_new(void);

/* NULL-safe. */
void held_ports_free(struct held_ports *held);

/* Adds a client's socket whose port is in the range of connect(). Returns 0 or -ENOMEM. */
int held_ports_add(struct held_ports *held, const struct fact_socket *socket);

size_t held_ports_count(const struct held_ports *held);
const struct held *held_ports_at(const struct held_ports *held, size_t i);

/*
 * Returns how many ports sockets like @like cannot have because the other kind holds them: bound
 * ports for one that is not bound, ports that connect() chose for one that is.
 */
uint64_t held_ports_blocked(const struct held_ports *held, const struct fact_socket *like);

/* Returns by how much a count may be too low. */
uint32_t held_ports_short(const struct held_ports *held);

#endif /* TCPDWELL_HELD_PORTS_H */
