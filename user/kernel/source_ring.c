// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/ring.h"
#include "kernel/source_ring.h"
#include "base/decode.h"
#include "wire.h"

#define RECORD_TIME_AT offsetof(struct tcpdwell_transition, time_ns)

_Static_assert(RECORD_TIME_AT == offsetof(struct tcpdwell_connection, ended_ns),
	       "all records have their time in the same place");

/* A ring, and its next record. */
struct lane {
	struct ring *ring;
	const void *data; /* NULL if there is none, or it was not looked for */
	size_t size;
};

struct source_ring {
	struct lane lanes[1 + TCPDWELL_RINGS];
	unsigned int count;
	int fd; /* the first ring's map, not owned */
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

/*
 * Returns how many bytes the ring has. The kernel tells it in two places. Returns 0 with errno set.
 */
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

struct source_ring *source_ring_new(const int *fds, unsigned int count, event_take *take,
				    void *context)
{
	struct source_ring *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->fd = fds[0];
	source->take = take;
	source->context = context;
	while (source->count < count) {
		int fd = fds[source->count];
		size_t bytes = ring_bytes(fd);
		struct ring *ring = bytes ? ring_new(fd, bytes) : NULL;

		if (!ring) {
			source_ring_free(source);
			return NULL;
		}
		source->lanes[source->count++].ring = ring;
	}
	return source;
}

void source_ring_free(struct source_ring *source)
{
	int err = errno;

	if (!source)
		return;
	for (unsigned int i = 0; i < source->count; i++)
		ring_free(source->lanes[i].ring);
	free(source);
	errno = err;
}

int source_ring_fd(const struct source_ring *source)
{
	return source->fd;
}

static int consume_one(struct source_ring *source)
{
	struct ring *ring = source->lanes[0].ring;
	const void *data;
	size_t size;
	int count = 0, err = 0;

	while (!err && count < SOURCE_RING_BATCH) {
		data = ring_next(ring, &size);
		if (!data)
			break;
		count++;
		err = take(source, data, size);
	}
	ring_done(ring);
	return err ? err : count;
}

/* Returns when the event of a record happened. All records have the time in the same place. */
static uint64_t record_time_ns(const struct lane *lane)
{
	uint64_t time_ns = 0;

	if (lane->size >= RECORD_TIME_AT + sizeof(time_ns))
		memcpy(&time_ns, (const char *)lane->data + RECORD_TIME_AT, sizeof(time_ns));
	return time_ns;
}

/* Returns the ring whose next record is the earliest, or NULL if there is no record. */
static struct lane *earliest(struct source_ring *source)
{
	struct lane *first = NULL;
	uint64_t first_ns = 0;

	for (unsigned int i = 0; i < source->count; i++) {
		struct lane *lane = &source->lanes[i];
		uint64_t time_ns = lane->data ? record_time_ns(lane) : 0;

		if (!lane->data || (first && time_ns >= first_ns))
			continue;
		first = lane;
		first_ns = time_ns;
	}
	return first;
}

/*
 * Takes records of all rings in the order of their times. A record that was looked at but not
 * taken, because the batch was full, stays the next one of its ring in the next turn. Otherwise it
 * would come before earlier records of other rings. Its room, and that of the records before it, is
 * given back later.
 */
static int consume_merged(struct source_ring *source)
{
	struct lane *lane;
	int count = 0, err = 0;

	for (unsigned int i = 0; i < source->count; i++) {
		lane = &source->lanes[i];
		if (!lane->data)
			lane->data = ring_next(lane->ring, &lane->size);
	}
	while (!err && count < SOURCE_RING_BATCH && (lane = earliest(source))) {
		count++;
		err = take(source, lane->data, lane->size);
		lane->data = ring_next(lane->ring, &lane->size);
	}
	for (unsigned int i = 0; i < source->count; i++)
		if (!source->lanes[i].data)
			ring_done(source->lanes[i].ring);
	return err ? err : count;
}

int source_ring_consume(struct source_ring *source)
{
	return source->count == 1 ? consume_one(source) : consume_merged(source);
}

int source_ring_error(const struct source_ring *source)
{
	int err = 0;

	for (unsigned int i = 0; i < source->count && !err; i++)
		err = ring_error(source->lanes[i].ring);
	return err;
}

uint64_t source_ring_taken(const struct source_ring *source)
{
	return source->taken;
}
