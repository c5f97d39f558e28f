/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The connections of clients that are open, by the hash of their ends: each is counted once, and
 * taken off what it was counted under, whatever is known of it later.
 *
 * Sixteen bytes each, four times over for the gaps of the hash at the most. No more than OPENS_MAX
 * are kept; of the others it is known that there were some. One thread at a time.
 */
#ifndef TCPDWELL_OPENS_H
#define TCPDWELL_OPENS_H

#include <stdbool.h>
#include <stdint.h>

/* They take 16 MiB. */
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

/* Returns whether it was added: not if it is there, or if there is no room. */
bool opens_add(struct opens *opens, uint64_t hash, struct open_port port);

/* Takes one out. Returns whether it was there. */
bool opens_take(struct opens *opens, uint64_t hash, struct open_port *port);

/* Whether one ever found no room. */
bool opens_overflowed(const struct opens *opens);

#endif /* TCPDWELL_OPENS_H */
