/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Floods under SYN cookies: from what listeners say at each look to those that send cookies now,
 * and how many a second. Pure.
 *
 * A flood is said of a listener that sent a cookie since the last look, or a moment before, where
 * the counter of its namespace grew meanwhile. The counter is the namespace's: where several
 * listeners send, the rate is that of all. Of namespaces that find no room the rate is not known.
 *
 * Where each SYN gets a cookie (tcp_syncookies=2), those that do not come back tell of a flood, so
 * many of them that no slow client is meant; without the counters nothing does.
 */
#ifndef TCPDWELL_COOKIE_FLOOD_H
#define TCPDWELL_COOKIE_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* Floods that are told of at a look, and namespaces whose counters are kept. */
#define COOKIE_FLOODS	  8
#define COOKIE_NAMESPACES 256

/* A second, that do not come back, where all SYNs get one: as `diagnose` has it of requests. */
#define COOKIE_UNANSWERED_MIN 16

struct cookie_flood {
	struct tcpdwell_cookies who;
	uint64_t rate;	     /* cookies a second of the namespace, 0: not known */
	uint64_t unanswered; /* of those; the ones that came back were perhaps sent before */
	bool shared;	     /* with other listeners of the namespace */
};

struct cookie_floods {
	uint64_t begin_ns, last_ns; /* of this look and of the one before, 0: there was none */
	struct cookie_flood floods[COOKIE_FLOODS];
	unsigned int count;
	struct cookie_counter {
		uint32_t netns;
		uint64_t sent, valid, at_ns;
		uint64_t sent_before, valid_before, before_ns;
	} counters[COOKIE_NAMESPACES];
	unsigned int counter_count;
};

/* Begins a look. All zero is a struct that never looked. */
void cookie_floods_look(struct cookie_floods *floods, uint64_t now_ns);

/* What a listener says. */
void cookie_floods_take(struct cookie_floods *floods, const struct tcpdwell_cookies *cookies);

#endif /* TCPDWELL_COOKIE_FLOOD_H */
