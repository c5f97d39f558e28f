/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `snapshot --sockets` as JSON lines and as CSV: a row a socket, with the same fields by the same
 * names in the same order. The names are a contract: one may be added at the end, none may go or
 * change its meaning. Errors stay in the stream. One thread.
 */
#ifndef TCPDWELL_SOCKET_FIELDS_H
#define TCPDWELL_SOCKET_FIELDS_H

#include <stdint.h>
#include <stdio.h>

struct listing;

void socket_fields_json(FILE *out, const struct listing *listing, uint64_t wall_ns);

/* With a line of names at the head. */
void socket_fields_csv(FILE *out, const struct listing *listing, uint64_t wall_ns);

#endif /* TCPDWELL_SOCKET_FIELDS_H */
