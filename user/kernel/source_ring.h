/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The live source: takes records out of the kernel's rings, checks them and hands them on as
 * events.
 */
#ifndef TCPDWELL_SOURCE_RING_H
#define TCPDWELL_SOURCE_RING_H

#include <stdint.h>

#include "base/event.h"

struct source_ring;

/*
 * @fds are the descriptors of the maps of @count rings. They stay the caller's, and must outlive
 * the source. @take gets each record with @context. Records of one ring come in their order.
 * Records of several rings come in the order of their times, as far as they are there yet. Returns
 * NULL with errno set. The caller frees it.
 */
struct source_ring *source_ring_new(const int *fds, unsigned int count, event_take *take,
				    void *context);

/* NULL-safe. */
void source_ring_free(struct source_ring *source);

/* Returns the first map's descriptor. It becomes readable when the kernel side wakes the reader. */
int source_ring_fd(const struct source_ring *source);

/*
 * The most records that one source_ring_consume() takes, which is some 10 ms of work. If more
 * records come than can be printed, the caller still looks at its clock and its signals.
 */
#define SOURCE_RING_BATCH 65536

/*
 * Hands on the records that are in the rings. Returns their number, or -errno if @take returned
 * that.
 */
int source_ring_consume(struct source_ring *source);

/* Returns -errno if a ring could not be read to its end, or 0. */
int source_ring_error(const struct source_ring *source);

/* Returns how many records were taken out so far. */
uint64_t source_ring_taken(const struct source_ring *source);

#endif /* TCPDWELL_SOURCE_RING_H */
