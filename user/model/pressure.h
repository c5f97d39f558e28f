/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How near a client is to having no local port left, by what TIME_WAIT takes of them. Pure.
 *
 * connect() may not take a port that is in TIME_WAIT between the same local address and the same
 * remote address and port, for the 60 s that it lasts, unless tcp_tw_reuse applies. When every port
 * of the range is taken so, it fails with EADDRNOTAVAIL.
 */
#ifndef TCPDWELL_PRESSURE_H
#define TCPDWELL_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/ephemeral.h"
#include "model/tally.h"

enum pressure_verdict {
	PRESSURE_UNKNOWN,   /* the range is not known */
	PRESSURE_LOW,	    /* less than half of the ports, now and if it goes on like this */
	PRESSURE_HIGH,	    /* half or more: a burst of twice the rate takes the rest */
	PRESSURE_FILLING,   /* at this rate, full within exhausted_ns */
	PRESSURE_EXHAUSTED, /* full now, or connect() failed for want of a port */
};

/* What may be done, or what was done in vain. Only what follows from the figures is set. */
enum pressure_advice {
	PRESSURE_POOL = 1 << 0,	       /* fewer connections: keep-alive, a pool */
	PRESSURE_REUSE = 1 << 1,       /* tcp_tw_reuse=1 would help */
	PRESSURE_TIMESTAMPS = 1 << 2,  /* tcp_tw_reuse is set but needs tcp_timestamps */
	PRESSURE_RANGE = 1 << 3,       /* the range is not as wide as it can be */
	PRESSURE_RESERVED = 1 << 4,    /* a tenth of it or more is reserved */
	PRESSURE_FIN_TIMEOUT = 1 << 5, /* tcp_fin_timeout was changed, which does nothing for it */
	PRESSURE_SETTINGS = PRESSURE_REUSE | PRESSURE_TIMESTAMPS | PRESSURE_RANGE |
			    PRESSURE_RESERVED, /* what sysctl(8) can set */
};

struct pressure_input {
	const struct tally *tally; /* of one local address, remote address and port */
	double rate;		   /* entries a second */
	const struct ephemeral *ephemeral;
	bool partial;	 /* some TIME_WAITs are not in the tally */
	bool link_local; /* of fe80::/10: each link has it, and which one is not known */
	bool loopback;	 /* either side is a loopback address */
};

struct pressure {
	enum pressure_verdict verdict;
	uint32_t usable;       /* ports, 0: not known */
	double used;	       /* share of them in TIME_WAIT now */
	bool elsewhere;	       /* connect() failed, and TIME_WAIT holds few: something else does */
	bool reuse;	       /* connect() takes the older ones of them: tcp_tw_reuse applies */
	bool fills;	       /* exhausted_ns is worth something */
	uint64_t exhausted_ns; /* until no port is left at this rate */
	unsigned int advice;   /* bits of enum pressure_advice */
};

struct pressure pressure_of(const struct pressure_input *input);

/* Whether @addr is of fe80::/10. */
bool pressure_is_link_local(unsigned int family, const uint8_t *addr);

/* Whether @addr is 127.0.0.0/8 or ::1. */
bool pressure_is_loopback(unsigned int family, const uint8_t *addr);

#endif /* TCPDWELL_PRESSURE_H */
