/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which end of each socket of a snapshot is the service: who listens is known of all of them at
 * once (service.h). Pure. One thread at a time.
 */
#ifndef TCPDWELL_LISTENING_H
#define TCPDWELL_LISTENING_H

#include "model/sockets.h"
#include "service.h"

struct listening;

/* The ports that any of @sockets listens on. Returns NULL with errno set. The caller frees it. */
struct listening *listening_new(const struct sockets *sockets);

/* NULL-safe. */
void listening_free(struct listening *listening);

/*
 * Which end of a socket is the service (enum service_side); @range is what connect() takes ports
 * from in its namespace.
 */
uint8_t listening_side(const struct listening *listening, const struct tcpdwell_socket *info,
		       struct service_range range);

#endif /* TCPDWELL_LISTENING_H */
