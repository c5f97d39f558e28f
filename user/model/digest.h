/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A digest has what findings.h needs to know about the sockets of a host. It takes one socket after
 * the other, and its memory follows the number of processes, services and listeners instead of the
 * number of sockets. It is for commands that look all the time. Pure, one thread at a time.
 *
 * - Listeners are kept.
 * - Sockets that are found for the same reasons and belong to one process and service are folded
 *   into one; unanswered ones only if they have the same destination. There is room for
 *   DIGEST_FOLDED. Sockets that find no room are counted (digest_lost()).
 * - Connections that came from one peer must be seen together. There is room for DIGEST_PEERS. If
 *   there are more, a hash chooses which peers are kept. The digest does not look for the other end
 *   of such a connection: if this host has the peer's address, that end counts as open.
 * - Local ports are counted (held_ports.h).
 * - Findings need nothing of other sockets.
 *
 * So the findings of a digest have the same names, severities and places as those of all sockets.
 * Some figures are missing, and a peer that may be gone can be missed.
 */
#ifndef TCPDWELL_DIGEST_H
#define TCPDWELL_DIGEST_H

#include "model/facts.h"

#define DIGEST_FOLDED 4096
#define DIGEST_PEERS  4096

/* Unanswered destinations that are kept for one process and port. More of them are a scan. */
#define DIGEST_DESTINATIONS 64

/* If this host has more addresses, each peer counts as being on this host. */
#define DIGEST_ADDRESSES 8192

struct digest;

/* @leak_ns is that of struct facts. Returns NULL with errno set. The caller frees it. */
struct digest *digest_new(uint64_t leak_ns);

/* NULL-safe. */
void digest_free(struct digest *digest);

/* @low and @high are the port range of connect() in its namespace. Returns 0 or -ENOMEM. */
int digest_add(struct digest *digest, const struct fact_socket *socket, uint64_t low,
	       uint64_t high);

/*
 * Returns the @count facts that stand for all sockets. They are valid until the digest is freed.
 * From here on nothing may be added, and this may not be called again.
 */
struct fact_socket *digest_sockets(struct digest *digest, size_t *count);

/* Returns the counts of local ports. They are valid until the digest is freed. */
const struct held_ports *digest_held(const struct digest *digest);

/* Returns the number of sockets that found no room. */
uint64_t digest_lost(const struct digest *digest);

#endif /* TCPDWELL_DIGEST_H */
