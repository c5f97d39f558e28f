/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets that were in TIME_WAIT at the start, so that an early end of one is recognised: a new
 * TIME_WAIT between the same two ends shows that the old one was reused.
 *
 * Each takes eight bytes, doubled because half of the hash table stays free. After their minute
 * they are of no use. At most OLDS_MAX are kept; the others are assumed to last until they are due.
 * One thread at a time.
 */
#ifndef TCPDWELL_OLDS_H
#define TCPDWELL_OLDS_H

#include <stdbool.h>
#include <stdint.h>

/* Twice the default of tcp_max_tw_buckets on a large host. The table takes 8 MiB. */
#define OLDS_MAX (1U << 19)

/* An entry stores the second of its end modulo this. */
#define OLDS_SECONDS 64

struct olds;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct olds *olds_new(void);

/* NULL-safe. */
void olds_free(struct olds *olds);

/* Adds a socket by the @hash of its ends. It is due in second @end of some clock. */
void olds_add(struct olds *olds, uint64_t hash, uint64_t end);

/*
 * Removes a socket. Returns true if it was there, and sets @end to the second in which it is due:
 * the one that fits among the OLDS_SECONDS from @now on.
 */
bool olds_take(struct olds *olds, uint64_t hash, uint64_t now, uint64_t *end);

#endif /* TCPDWELL_OLDS_H */
