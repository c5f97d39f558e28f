/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many of the local ports that connect() may take are in use to one destination, of the
 * destinations that use most, and when none would be left. Pure, one thread at a time.
 *
 * A local port is used up for one local address, remote address and remote port of a namespace,
 * by a connection in any state, TIME_WAIT too. Those below a hundredth are not told of.
 */
#ifndef TCPDWELL_PORT_USE_H
#define TCPDWELL_PORT_USE_H

#include <stddef.h>
#include <stdint.h>

#include "model/facts.h"

/* Destinations that are told of. */
#define PORT_USE_TOP 10

struct port_use {
	struct fact_address at; /* of one of the connections */
	uint32_t used;
	uint32_t usable;
	double left_s; /* negative: they do not become fewer, or it is not known */
};

/* What the last look has found, to see what has changed. All zero: there was none. */
struct port_uses {
	struct port_use uses[PORT_USE_TOP]; /* the worst first */
	size_t count;
};

/* Sets @uses from @facts, which were taken @span_ns after those of before. Returns 0 or -ENOMEM. */
int port_uses_take(struct port_uses *uses, const struct facts *facts, uint64_t span_ns);

#endif /* TCPDWELL_PORT_USE_H */
