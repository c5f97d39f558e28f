/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `snapshot --sockets` as JSON lines and as CSV: one row a socket, in both forms with the same
 * fields, names and order (view/fields.h). Errors stay in the stream. One thread.
 */
#ifndef TCPDWELL_SOCKET_FIELDS_H
#define TCPDWELL_SOCKET_FIELDS_H

#include <stdint.h>
#include <stdio.h>

#include "view/fields.h"

struct listing;

/* Returns 0 or -errno. */
int socket_fields(FILE *out, const struct fields_form *form, const struct listing *listing,
		  uint64_t wall_ns);

#endif /* TCPDWELL_SOCKET_FIELDS_H */
