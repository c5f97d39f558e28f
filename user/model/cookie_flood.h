/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Floods under SYN cookies. From what listeners report at each look, it computes which of them send
 * cookies now, and how many a second. Pure.
 *
 * A listener is reported if it sent a cookie since the last look or a moment before, and the
 * counter of its namespace grew meanwhile. The counter belongs to the namespace: if several
 * listeners send, the rate is that of all of them. If there is no room for a namespace, its rate is
 * not known.
 *
 * With tcp_syncookies=2 each SYN gets a cookie. Then only cookies that do not come back tell of a
 * flood, and only if there are too many of them for slow clients. Without the counters nothing
 * tells.
 */
#ifndef TCPDWELL_COOKIE_FLOOD_H
#define TCPDWELL_COOKIE_FLOOD_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* How many floods are reported at a look, and for how many namespaces counters are kept. */
#define COOKIE_FLOODS	  8
#define COOKIE_NAMESPACES 256

/*
 * If all SYNs get a cookie, a flood has at least this many a second that do not come back. It is
 * the same limit that `diagnose` has for requests.
 */
#define COOKIE_UNANSWERED_MIN 16

struct cookie_flood {
	struct tcpdwell_cookies who;
	uint64_t rate;	     /* cookies a second in the namespace; 0: not known */
	uint64_t unanswered; /* of these; those that came back may have been sent before */
	bool shared;	     /* other listeners of the namespace send cookies, too */
};

struct cookie_floods {
	uint64_t begin_ns, last_ns; /* of this look and of the one before; 0: there was none */
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

/* Takes the report of one listener. */
void cookie_floods_take(struct cookie_floods *floods, const struct tcpdwell_cookies *cookies);

#endif /* TCPDWELL_COOKIE_FLOOD_H */
