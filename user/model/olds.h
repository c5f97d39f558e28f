/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets that were in TIME_WAIT at the start, so that an early end of one is known for what it
 * is: a new TIME_WAIT between the same two ends says that the old one was reused.
 *
 * Eight bytes each, twice over for the gaps of the hash, and of no use once their minute is over.
 * No more than OLDS_MAX are kept; the others are taken to last until they are due. One thread at a
 * time.
 */
#ifndef TCPDWELL_OLDS_H
#define TCPDWELL_OLDS_H

#include <stdbool.h>
#include <stdint.h>

/* Twice the default of tcp_max_tw_buckets on a large host. They take 8 MiB. */
#define OLDS_MAX (1U << 19)

/* An entry tells the second of its end within so many seconds. */
#define OLDS_SECONDS 64

struct olds;

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct olds *olds_new(void);

/* NULL-safe. */
void olds_free(struct olds *olds);

/* Adds one by the @hash of its ends, which is due in second @end of some clock. */
void olds_add(struct olds *olds, uint64_t hash, uint64_t end);

/*
 * Takes one out. Returns whether it was there, and then the second in which it is due: the one of
 * the OLDS_SECONDS from @now on that fits.
 */
bool olds_take(struct olds *olds, uint64_t hash, uint64_t now, uint64_t *end);

#endif /* TCPDWELL_OLDS_H */
