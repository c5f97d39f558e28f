// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

#include "decode.h"
#include "source_ring.h"

struct source_ring {
	struct ring_buffer *ring;
	struct sink *sink;
	uint64_t limit;
	uint64_t taken;
	uint64_t printed;
	int batch; /* records of this call */
};

static int take(void *context, void *data, size_t size)
{
	struct source_ring *source = context;
	struct tcpdwell_transition t;
	int err;

	source->taken++;
	source->batch++;
	if (source->limit && source->printed == source->limit)
		return 0;
	if (decode_record(data, size, &t) != DECODED_TRANSITION)
		return 0; /* not printed, so the summary counts it as filtered */
	err = source->sink->ops->event(source->sink, &t);
	if (err)
		return err;
	source->printed++;
	return 0;
}

/* libbpf goes on for as long as there is something; a negative answer stops it. */
static int take_batch(void *context, void *data, size_t size)
{
	struct source_ring *source = context;
	int err = take(context, data, size);

	return err ?: source->batch >= SOURCE_RING_BATCH ? -EAGAIN : 0;
}

struct source_ring *source_ring_new(int ring, struct sink *sink, uint64_t limit)
{
	struct source_ring *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->sink = sink;
	source->limit = limit;
	source->ring = ring_buffer__new(ring, take_batch, source, NULL);
	if (!source->ring) {
		free(source);
		return NULL;
	}
	return source;
}

void source_ring_free(struct source_ring *source)
{
	if (!source)
		return;
	ring_buffer__free(source->ring);
	free(source);
}

int source_ring_fd(const struct source_ring *source)
{
	return ring_buffer__epoll_fd(source->ring);
}

int source_ring_consume(struct source_ring *source)
{
	int err;

	source->batch = 0;
	err = ring_buffer__consume(source->ring);
	return err < 0 && err != -EAGAIN ? err : source->batch;
}

uint64_t source_ring_taken(const struct source_ring *source)
{
	return source->taken;
}

uint64_t source_ring_printed(const struct source_ring *source)
{
	return source->printed;
}
