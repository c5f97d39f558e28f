/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The reader's side of a BPF ring buffer (kernel/bpf/ringbuf.c).
 *
 * libbpf's reader gives back the room of each record by itself, by writing the consumer's position.
 * The kernel side reads that word for each record that it reserves, so its cache line would move
 * between the processors all the time. This reader gives back the room of many records at once. One
 * thread at a time.
 */
#ifndef TCPDWELL_RING_H
#define TCPDWELL_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring;

/*
 * Maps the ring of @bytes (a power of two, at least a page) behind @fd. The descriptor stays the
 * caller's, and must stay open as long as the ring: only a part of a large ring is mapped at a
 * time. Returns NULL with errno set. The caller frees it.
 */
struct ring *ring_new(int fd, size_t bytes);

/* NULL-safe. */
void ring_free(struct ring *ring);

/*
 * Returns the oldest record and its @size. Returns NULL if there is none, if it is not complete
 * yet, or if it cannot be mapped, which ring_error() says. The record stays as it is until the next
 * call of ring_next() or ring_done().
 */
const void *ring_next(struct ring *ring, size_t *size);

/* Returns -errno if ring_next() could not map what comes next, or 0. The next call tries again. */
int ring_error(const struct ring *ring);

/* Gives back the room of all records that ring_next() has returned. */
void ring_done(struct ring *ring);

#endif /* TCPDWELL_RING_H */
