/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How close a client is to having no local port left, and what holds the ports. Pure.
 *
 * connect() cannot take a port that a connection holds between the same local address and the same
 * remote address and port. Nor can it for the 60 s that the connection is in TIME_WAIT, unless
 * tcp_tw_reuse applies. And it never takes a port that bind() took before a connect(), whatever the
 * destination. When every port of the range is taken like this, connect() fails with EADDRNOTAVAIL.
 * bind() without a port cannot take one that the same local address holds, and fails with
 * EADDRINUSE; tcp_tw_reuse does not help it.
 */
#ifndef TCPDWELL_PRESSURE_H
#define TCPDWELL_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/ephemeral.h"
#include "model/tally.h"

enum pressure_verdict {
	PRESSURE_UNKNOWN,   /* the range is not known */
	PRESSURE_LOW,	    /* less than half of the ports are held, now and at this rate */
	PRESSURE_HIGH,	    /* half or more: a burst of twice the rate takes the rest */
	PRESSURE_FILLING,   /* full within exhausted_ns at this rate */
	PRESSURE_EXHAUSTED, /* full now, or connect() failed because no port was left */
};

/* What can be done, or what was done in vain. Only what follows from the figures is set. */
enum pressure_advice {
	PRESSURE_POOL = 1 << 0,	       /* fewer connections: keep-alive, a pool */
	PRESSURE_REUSE = 1 << 1,       /* tcp_tw_reuse=1 would help */
	PRESSURE_TIMESTAMPS = 1 << 2,  /* tcp_tw_reuse is set but needs tcp_timestamps */
	PRESSURE_RANGE = 1 << 3,       /* the range is not as wide as it can be */
	PRESSURE_RESERVED = 1 << 4,    /* a tenth of it or more is reserved */
	PRESSURE_FIN_TIMEOUT = 1 << 5, /* tcp_fin_timeout was changed, which does not help */
	PRESSURE_FEWER = 1 << 6,       /* fewer connections at a time: open ones hold the ports */
	PRESSURE_LATE_BIND = 1 << 7,   /* IP_BIND_ADDRESS_NO_PORT: bind() holds the ports */
	PRESSURE_WIDEN = 1 << 8,       /* IP_LOCAL_PORT_RANGE is narrower than the range */
	PRESSURE_NO_REUSE = 1 << 9,    /* tcp_tw_reuse does not apply to what holds the ports */
	PRESSURE_SETTINGS = PRESSURE_REUSE | PRESSURE_TIMESTAMPS | PRESSURE_RANGE |
			    PRESSURE_RESERVED, /* what sysctl(8) can set */
};

/* What holds most of the ports. */
enum pressure_holder {
	PRESSURE_BY_TIMEWAIT,
	PRESSURE_BY_OPEN,
	PRESSURE_BY_BIND,
	PRESSURE_BY_OTHERS, /* connect() failed, but little that is seen holds ports */
};

struct pressure_input {
	/* For one local address, remote address and port; or, if bound, for one local address. */
	const struct tally *tally;
	double rate;	  /* entries into TIME_WAIT a second */
	double growth;	  /* open ones added a second, net; 0: not known */
	uint64_t blocked; /* ports held that are not in the tally */
	const struct ephemeral *ephemeral;
	bool partial;	 /* some connections are not in the tally */
	bool link_local; /* fe80::/10: each link has it, and the link is not known */
	bool loopback;	 /* either side is a loopback address */
};

struct pressure {
	enum pressure_verdict verdict;
	uint32_t usable; /* number of ports; 0: not known */
	double used;	 /* share of the usable ports that is held now */
	double taken;	 /* the same without ports in TIME_WAIT that connect() reuses */
	enum pressure_holder holder;
	bool narrowed;	       /* IP_LOCAL_PORT_RANGE narrows usable */
	bool elsewhere;	       /* connect() failed, but few ports that are seen are held */
	bool reuse;	       /* tcp_tw_reuse applies: connect() reuses older ports */
	bool fills;	       /* exhausted_ns is known */
	uint64_t exhausted_ns; /* until no port is left at this rate */
	unsigned int advice;   /* bits of enum pressure_advice */
};

struct pressure pressure_of(const struct pressure_input *input);

/* Returns true if @addr is in fe80::/10. */
bool pressure_is_link_local(unsigned int family, const uint8_t *addr);

/* Returns true if @addr is in 127.0.0.0/8, or ::1. */
bool pressure_is_loopback(unsigned int family, const uint8_t *addr);

#endif /* TCPDWELL_PRESSURE_H */
