// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "base/ring.h"
#include "kernel/source_ring.h"
#include "base/decode.h"

struct source_ring {
	struct ring *ring;
	int fd; /* of the map, not owned */
	event_take *take;
	void *context;
	uint64_t taken;
};

static int take(struct source_ring *source, const void *data, size_t size)
{
	struct tcpdwell_transition t;
	struct tcpdwell_connection c;
	struct tcpdwell_port_use use;
	struct event event = { .transition = &t, .port = &use };
	enum decoded decoded = decode_record(data, size, &t);

	source->taken++;
	if (decoded == DECODED_UNKNOWN)
		decoded = decode_connection(data, size, &c);
	switch (decoded) {
	case DECODED_TRANSITION:
		event.kind = EVENT_TRANSITION;
		use = decode_port_use(data, size);
		break;
	case DECODED_CONNECTION:
		event.kind = EVENT_CONNECTION;
		event.connection = &c;
		break;
	case DECODED_UNKNOWN:
		event.kind = EVENT_UNKNOWN;
		break;
	case DECODED_BAD:
		event.kind = EVENT_MALFORMED;
		break;
	}
	return source->take(source->context, &event);
}

/* How large the ring is: the kernel says so in two places. Returns 0 with errno set. */
static size_t ring_bytes(int ring)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	char path[64], line[128];
	size_t bytes = 0;
	FILE *file;

	if (!bpf_obj_get_info_by_fd(ring, &info, &len))
		return info.max_entries;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ring);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "max_entries: %zu", &bytes) == 1)
			break;
	fclose(file);
	if (!bytes)
		errno = ENOENT;
	return bytes;
}

struct source_ring *source_ring_new(int ring, event_take *take, void *context)
{
	struct source_ring *source;
	size_t bytes = ring_bytes(ring);

	if (!bytes)
		return NULL;
	source = calloc(1, sizeof(*source));
	if (!source)
		return NULL;
	source->fd = ring;
	source->take = take;
	source->context = context;
	source->ring = ring_new(ring, bytes);
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
	ring_free(source->ring);
	free(source);
}

int source_ring_fd(const struct source_ring *source)
{
	return source->fd;
}

int source_ring_consume(struct source_ring *source)
{
	const void *data;
	size_t size;
	int count = 0, err = 0;

	while (!err && count < SOURCE_RING_BATCH) {
		data = ring_next(source->ring, &size);
		if (!data)
			break;
		count++;
		err = take(source, data, size);
	}
	ring_done(source->ring);
	return err ? err : count;
}

int source_ring_error(const struct source_ring *source)
{
	return ring_error(source->ring);
}

uint64_t source_ring_taken(const struct source_ring *source)
{
	return source->taken;
}
