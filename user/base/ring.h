/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The reader's side of a BPF ring buffer (kernel/bpf/ringbuf.c).
 *
 * libbpf's reader gives the room of each record back by itself. The kernel side reads that word for
 * each record that it reserves, so its cache line would go to and fro between the processors; this
 * one gives back many at a time. One thread at a time.
 */
#ifndef TCPDWELL_RING_H
#define TCPDWELL_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring;

/*
 * Maps the ring of @bytes (a power of two, at least a page) behind @fd, which stays the caller's
 * and open as long as the ring: of a large ring, a part is mapped at a time. Returns NULL with
 * errno set. The caller frees it.
 */
struct ring *ring_new(int fd, size_t bytes);

/* NULL-safe. */
void ring_free(struct ring *ring);

/*
 * The oldest record and its @size, NULL if there is none, or none that is complete, or if it cannot
 * be mapped, which ring_error() says. It stays as it is until the next call of ring_next() or
 * ring_done().
 */
const void *ring_next(struct ring *ring, size_t *size);

/* Why ring_next() could not map what comes next, -errno, or 0. The next call tries again. */
int ring_error(const struct ring *ring);

/* Gives the room back of all that ring_next() has returned. */
void ring_done(struct ring *ring);

#endif /* TCPDWELL_RING_H */
