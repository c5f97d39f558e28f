/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which end of each socket of a snapshot is the service. A snapshot knows all listeners at once,
 * which helps service.h. Pure. One thread at a time.
 */
#ifndef TCPDWELL_LISTENING_H
#define TCPDWELL_LISTENING_H

#include "model/sockets.h"
#include "service.h"

struct listening;

/*
 * Collects the ports that any of @sockets listens on. Returns NULL with errno set. The caller frees
 * the result.
 */
struct listening *listening_new(const struct sockets *sockets);

/* NULL-safe. */
void listening_free(struct listening *listening);

/*
 * Returns which end of a socket is the service (enum service_side). @range is the range of ports
 * that connect() takes in its namespace.
 */
uint8_t listening_side(const struct listening *listening, const struct tcpdwell_socket *info,
		       struct service_range range);

#endif /* TCPDWELL_LISTENING_H */
