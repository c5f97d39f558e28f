// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/ring.h"

/* Room is given back once this share of the ring has been read. */
#define GIVE_BACK_SHARE 64

/*
 * How much of the data is mapped at a time. All that is mapped counts as resident, whether it was
 * read or not. To map the next window takes some 30 us, which is little for 1 MiB of records. Where
 * few records come, a large window would save nothing, so each window is twice as large as the one
 * before.
 */
#define WINDOW_BYTES_FIRST (64U << 10)
#define WINDOW_BYTES_MAX   (1U << 20)

/*
 * The consumer's position has a page, which can be written. The producer's position has the next
 * page. The data follow, mapped twice in a row so that no record is broken at the end.
 */
struct ring {
	int fd;
	uint64_t *consumer;
	const uint64_t *producer;
	const char *window; /* of the data, from @first on; NULL: none is mapped yet */
	size_t first;	    /* a multiple of a page */
	size_t window_bytes;
	size_t next_bytes; /* size of the next window, if that is enough */
	size_t page;
	size_t bytes;
	uint64_t position; /* read up to here */
	uint64_t given;	   /* given back up to here */
	uint64_t end;	   /* records are written, or reserved, up to here, as far as is known */
	int err;	   /* the reason why no window could be mapped; 0: none failed */
};

/* Maps the window that begins with the page of @at. Returns 0 or -errno. */
static int map_window(struct ring *ring, size_t at, size_t window_bytes)
{
	size_t first = at & ~(ring->page - 1), rest = 2 * ring->bytes - first;
	size_t bytes = window_bytes < rest ? window_bytes : rest;
	void *window = mmap(NULL, bytes, PROT_READ, MAP_SHARED, ring->fd, 2 * ring->page + first);

	if (window == MAP_FAILED)
		return -errno;
	if (ring->window)
		munmap((void *)ring->window, ring->window_bytes);
	ring->window = window;
	ring->first = first;
	ring->window_bytes = bytes;
	return 0;
}

/*
 * Returns @bytes of the data from @at on, which stay mapped until the next call. Returns NULL on
 * failure: see ring_error().
 */
static const char *data_at(struct ring *ring, size_t at, size_t bytes)
{
	size_t window = ring->next_bytes;

	if (at < ring->first || at + bytes > ring->first + ring->window_bytes) {
		while (window < ring->page + bytes)
			window *= 2;
		ring->err = -map_window(ring, at, window);
		if (ring->next_bytes < WINDOW_BYTES_MAX)
			ring->next_bytes *= 2;
	}
	return ring->err ? NULL : ring->window + (at - ring->first);
}

struct ring *ring_new(int fd, size_t bytes)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	void *consumer, *producer;
	int err;

	if (!ring)
		return NULL;
	ring->fd = fd;
	ring->page = sysconf(_SC_PAGESIZE);
	ring->bytes = bytes;
	consumer = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (consumer == MAP_FAILED)
		goto err;
	ring->consumer = consumer;
	producer = mmap(NULL, ring->page, PROT_READ, MAP_SHARED, fd, ring->page);
	if (producer == MAP_FAILED)
		goto err;
	ring->producer = producer;
	ring->position = ring->given = *ring->consumer;
	ring->next_bytes = WINDOW_BYTES_FIRST;
	err = map_window(ring, ring->position & (bytes - 1), ring->next_bytes);
	if (!err)
		return ring;
	errno = -err;
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
		munmap((void *)ring->producer, ring->page);
	if (ring->window)
		munmap((void *)ring->window, ring->window_bytes);
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

static uint64_t stride(uint32_t header)
{
	uint64_t len = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

	return (len + BPF_RINGBUF_HDR_SZ + 7) & ~7ULL;
}

/* Returns true if there is a record to be read, complete or not. */
static bool is_ahead(struct ring *ring)
{
	if (ring->position == ring->end)
		ring->end = __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE);
	return ring->position != ring->end;
}

const void *ring_next(struct ring *ring, size_t *size)
{
	if (ring->position - ring->given > ring->bytes / GIVE_BACK_SHARE)
		ring_done(ring);
	while (is_ahead(ring)) {
		size_t at = ring->position & (ring->bytes - 1);
		const char *record = data_at(ring, at, BPF_RINGBUF_HDR_SZ);
		uint32_t head;

		if (!record)
			return NULL;
		/*
		 * The first word of a record has its length, and whether it is complete and wanted.
		 */
		head = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
		if (head & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		if (!(head & BPF_RINGBUF_DISCARD_BIT))
			record = data_at(ring, at, stride(head));
		if (!record)
			return NULL;
		ring->position += stride(head);
		if (head & BPF_RINGBUF_DISCARD_BIT)
			continue;
		*size = head;
		return record + BPF_RINGBUF_HDR_SZ;
	}
	return NULL;
}

int ring_error(const struct ring *ring)
{
	return -ring->err;
}
