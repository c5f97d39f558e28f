/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The open connections of clients, by the hash of their ends. Each is counted once, and later
 * removed from what it was counted under, whatever is known of it by then.
 *
 * Each takes sixteen bytes, at most four times that because part of the hash table stays free. At
 * most OPENS_MAX are kept; of others it is only known that there were some. One thread at a time.
 */
#ifndef TCPDWELL_OPENS_H
#define TCPDWELL_OPENS_H

#include <stdbool.h>
#include <stdint.h>

/* The table takes 16 MiB. */
#define OPENS_MAX (1U << 18)

/* What is kept of a connection. */
struct open_port {
	uint32_t scope;
	bool bound;
};

struct opens;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct opens *opens_new(void);

/* NULL-safe. */
void opens_free(struct opens *opens);

/* Returns true if the connection was added: it was not there yet, and there was room. */
bool opens_add(struct opens *opens, uint64_t hash, struct open_port port);

/* Removes a connection. Returns true if it was there, and sets @port. */
bool opens_take(struct opens *opens, uint64_t hash, struct open_port *port);

/* Returns true if a connection ever found no room. */
bool opens_overflowed(const struct opens *opens);

#endif /* TCPDWELL_OPENS_H */
