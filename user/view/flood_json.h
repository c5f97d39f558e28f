/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What hits a host and has no rows, as JSON lines beside those that there are. The names are a
 * contract. Pure.
 */
#ifndef TCPDWELL_FLOOD_JSON_H
#define TCPDWELL_FLOOD_JSON_H

#include <stdio.h>

#include "model/cookie_flood.h"

/* A listener that sends SYN cookies. */
void flood_json_cookies(FILE *out, const struct cookie_flood *flood, uint64_t wall_ns);

/* Requests to @port that were counted instead of shown, a second. */
void flood_json_folded(FILE *out, uint16_t port, uint64_t rate, uint64_t unanswered,
		       uint64_t wall_ns);

#endif /* TCPDWELL_FLOOD_JSON_H */
