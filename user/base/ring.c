// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/ring.h"

/* Room is given back once this share of the ring has been read. */
#define GIVE_BACK_SHARE 64

/*
 * The consumer's position has a page, which can be written; the producer's has the next, and the
 * data follow it, mapped twice in a row so that no record is broken at the end.
 */
struct ring {
	uint64_t *consumer;
	const uint64_t *producer;
	const char *data;
	size_t page;
	size_t bytes;
	uint64_t position; /* read up to here */
	uint64_t given;	   /* given back up to here */
	uint64_t end;	   /* known to be written, or reserved, up to here */
};

struct ring *ring_new(int fd, size_t bytes)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	void *consumer, *producer;

	if (!ring)
		return NULL;
	ring->page = sysconf(_SC_PAGESIZE);
	ring->bytes = bytes;
	consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		goto err;
	ring->consumer = consumer;
	producer = mmap(NULL, ring->page + 2 * bytes, PROT_READ, MAP_SHARED, fd, ring->page);
	if (producer == MAP_FAILED)
		goto err;
	ring->producer = producer;
	ring->data = (const char *)producer + ring->page;
	ring->position = ring->given = *ring->consumer;
	return ring;
err:
	ring_free(ring);
	return NULL;
}

void ring_free(struct ring *ring)
{
	int err = errno;

	if (!ring)
		return;
	if (ring->consumer)
		munmap(ring->consumer, ring->page);
	if (ring->producer)
		munmap((void *)ring->producer, ring->page + 2 * ring->bytes);
	free(ring);
	errno = err;
}

void ring_done(struct ring *ring)
{
	if (ring->given == ring->position)
		return;
	__atomic_store_n(ring->consumer, ring->position, __ATOMIC_RELEASE);
	ring->given = ring->position;
}

/* The first word of a record: its length, and whether it is complete and wanted. */
static uint32_t header(const struct ring *ring)
{
	const char *record = ring->data + (ring->position & (ring->bytes - 1));

	return __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
}

static uint64_t stride(uint32_t header)
{
	uint64_t len = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

	return (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL;
}

const void *ring_next(struct ring *ring, size_t *size)
{
	if (ring->position - ring->given > ring->bytes / GIVE_BACK_SHARE)
		ring_done(ring);
	for (;;) {
		const char *record = ring->data + (ring->position & (ring->bytes - 1));
		uint32_t head;

		if (ring->position == ring->end) {
			ring->end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
			if (ring->position == ring->end)
				return NULL;
		}
		head = header(ring);
		if (head & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		ring->position += stride(head);
		if (head & BPF_RINGBUF_DISCARD_BIT)
			continue;
		*size = head;
		return record + BPF_RINGBUF_HDR_SZ;
	}
}
