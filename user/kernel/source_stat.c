// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Elements are taken in batches, many with one system call. Every kernel that the tool runs on has
 * that for these maps (5.6). If a kernel refuses it, each element takes three calls.
 */
#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>

#include "kernel/source_stat.h"

/*
 * The first size of a batch. The kernel hands out whole buckets of the map, so a batch must have
 * room for the fullest one.
 */
#define BATCH_MIN 64

/*
 * The largest batch. A map that is never full has no bucket of so many elements, so the kernel
 * copies all of a bucket in one go.
 */
#define BATCH_MAX 65536

struct batch {
	struct tcpdwell_stat_key *keys;
	struct tcpdwell_stat *values;
	uint32_t room;
};

static int batch_size(struct batch *batch, uint32_t room)
{
	free(batch->keys);
	free(batch->values);
	batch->keys = calloc(room, sizeof(*batch->keys));
	batch->values = calloc(room, sizeof(*batch->values));
	batch->room = room;
	return batch->keys && batch->values ? 0 : -ENOMEM;
}

static int hand_over(const struct tcpdwell_stat_key *key, const struct tcpdwell_stat *value,
		     event_take *take, void *context)
{
	const struct event event = { .kind = EVENT_SUM, .sum = { key, value } };

	return take(context, &event);
}

static int batch_take(const struct batch *batch, uint32_t count, event_take *take, void *context)
{
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++)
		err = hand_over(&batch->keys[i], &batch->values[i], take, context);
	return err;
}

/*
 * Takes the elements one by one. Each is deleted from the map before it is handed over, so it is
 * counted once, whatever happens.
 */
static int take_each(int fd, event_take *take, void *context)
{
	struct tcpdwell_stat_key key;
	struct tcpdwell_stat value;
	int err;

	while (!(err = bpf_map_get_next_key(fd, NULL, &key))) {
		err = bpf_map_lookup_elem(fd, &key, &value) ?: bpf_map_delete_elem(fd, &key);
		if (!err)
			err = hand_over(&key, &value, take, context);
		if (err)
			return err;
	}
	return err == -ENOENT ? 0 : err;
}

int source_stat_take(int fd, event_take *take, void *context)
{
	struct batch batch = {};
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t position, count;
	void *from = NULL;
	int err, last;

	err = batch_size(&batch, BATCH_MIN);
	while (!err) {
		count = batch.room;
		last = bpf_map_lookup_and_delete_batch(fd, from, &position, batch.keys,
						       batch.values, &count, &opts);
		if (last == -ENOSPC && batch.room < BATCH_MAX) {
			err = batch_size(&batch, batch.room * 2);
			continue; /* the position is still before that bucket */
		}
		if (last && last != -ENOENT) {
			err = take_each(fd, take, context);
			break;
		}
		err = batch_take(&batch, count, take, context);
		if (last)
			break; /* this was the last batch */
		from = &position;
	}
	free(batch.keys);
	free(batch.values);
	return err;
}
