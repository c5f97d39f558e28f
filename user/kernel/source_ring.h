/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The live source: records out of the kernel's rings, checked and handed on as events.
 */
#ifndef TCPDWELL_SOURCE_RING_H
#define TCPDWELL_SOURCE_RING_H

#include <stdint.h>

#include "base/event.h"

struct source_ring;

/*
 * @fds are the maps' descriptors, of @count rings, which stay the caller's and outlive the source.
 * @take gets each record with @context: those of one ring in their order, those of several in the
 * order of their times as far as they are there. Returns NULL with errno set. The caller frees it.
 */
struct source_ring *source_ring_new(const int *fds, unsigned int count, event_take *take,
				    void *context);

/* NULL-safe. */
void source_ring_free(struct source_ring *source);

/* Becomes readable when the kernel side wakes the reader: the first map's descriptor itself. */
int source_ring_fd(const struct source_ring *source);

/*
 * Records that one source_ring_consume() takes at the most, some 10 ms of work: where more come
 * than can be printed, the caller still looks at its clock and its signals.
 */
#define SOURCE_RING_BATCH 65536

/* Hands on what is in the rings. Returns the number of records, or the -errno of who takes them. */
int source_ring_consume(struct source_ring *source);

/* Why one could not be read to its end, -errno; 0: it could. */
int source_ring_error(const struct source_ring *source);

/* Records taken out so far. */
uint64_t source_ring_taken(const struct source_ring *source);

#endif /* TCPDWELL_SOURCE_RING_H */
