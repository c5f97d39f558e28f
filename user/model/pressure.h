/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How near a client is to having no local port left, by what holds them. Pure.
 *
 * connect() may not take a port that a connection has between the same local address and the same
 * remote address and port, nor for the 60 s that it is in TIME_WAIT, unless tcp_tw_reuse applies;
 * and none that bind() took before a connect(), whereto ever. When every port of the range is taken
 * so, it fails with EADDRNOTAVAIL. bind() without a port may take none that the same local address
 * has, and fails with EADDRINUSE; tcp_tw_reuse is no help to it.
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
	PRESSURE_FEWER = 1 << 6,       /* fewer connections at a time: open ones hold the ports */
	PRESSURE_LATE_BIND = 1 << 7,   /* IP_BIND_ADDRESS_NO_PORT: bind() holds them */
	PRESSURE_WIDEN = 1 << 8,       /* IP_LOCAL_PORT_RANGE is narrower than the range */
	PRESSURE_NO_REUSE = 1 << 9,    /* tcp_tw_reuse does nothing for what holds the ports */
	PRESSURE_SETTINGS = PRESSURE_REUSE | PRESSURE_TIMESTAMPS | PRESSURE_RANGE |
			    PRESSURE_RESERVED, /* what sysctl(8) can set */
};

/* What holds most of the ports. */
enum pressure_holder {
	PRESSURE_BY_TIMEWAIT,
	PRESSURE_BY_OPEN,
	PRESSURE_BY_BIND,
	PRESSURE_BY_OTHERS, /* connect() failed, and little is held by what is seen */
};

struct pressure_input {
	/* Of one local address, remote address and port, or of one local address, if bound. */
	const struct tally *tally;
	double rate;	  /* entries into TIME_WAIT a second */
	double growth;	  /* open ones that come a second beside those that leave; 0: not known */
	uint64_t blocked; /* ports that are held beside those of the tally */
	const struct ephemeral *ephemeral;
	bool partial;	 /* some connections are not in the tally */
	bool link_local; /* of fe80::/10: each link has it, and which one is not known */
	bool loopback;	 /* either side is a loopback address */
};

struct pressure {
	enum pressure_verdict verdict;
	uint32_t usable; /* ports, 0: not known */
	double used;	 /* share of them that is held now */
	double taken;	 /* the same without those that connect() takes back from TIME_WAIT */
	enum pressure_holder holder;
	bool narrowed;	       /* usable is what IP_LOCAL_PORT_RANGE leaves */
	bool elsewhere;	       /* connect() failed, and few are held by what is seen */
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
