// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "kernel/map_of_maps.h"
#include "kernel/rings.h"
#include "wire.h"

/*
 * If 16 processors share one ring, each with 20 000 connections a second, they wait for a quarter
 * of their time (`make bench ARGS=--cores`). So fewer share one.
 */
#define CPUS_OF_ONE  8
#define CPUS_OF_EACH 4

/* The least bytes of a ring, unless fewer were asked for: one ring may get most of the records. */
#define BYTES_MIN (4U << 20)

struct rings {
	unsigned int count;
	int fds[TCPDWELL_RINGS];
};

unsigned int rings_count(const struct capture *capture)
{
	int found = libbpf_num_possible_cpus();
	unsigned int cpus = found < 0 ? 1 : found, count = 1;

	if (!capture_uses_ring(capture))
		return 1;
	if (capture->rings)
		return capture->rings;
	while (cpus > CPUS_OF_ONE && count < TCPDWELL_RINGS && count * CPUS_OF_EACH < cpus)
		count *= 2;
	return count;
}

uint64_t rings_bytes(const struct capture *capture, unsigned int count)
{
	uint64_t share = capture->ring_bytes / count;
	uint64_t least = capture->ring_bytes < BYTES_MIN ? capture->ring_bytes : BYTES_MIN;

	return share < least ? least : share;
}

struct rings *rings_new(struct bpf_map *map, unsigned int count, uint64_t bytes)
{
	struct rings *rings = calloc(1, sizeof(*rings));
	int all, err = 0;

	if (!rings)
		return NULL;
	all = map_of_maps_make(map);
	if (all < 0)
		err = all;
	while (!err && rings->count < count) {
		int fd = map_of_maps_one(map, "records", bytes);

		err = fd < 0 ? fd : map_of_maps_show(all, rings->count, fd);
		if (!err)
			rings->fds[rings->count++] = fd;
	}
	if (all >= 0)
		close(all); /* the object has its own descriptor */
	if (!err)
		return rings;
	rings_free(rings);
	errno = -err;
	return NULL;
}

void rings_free(struct rings *rings)
{
	if (!rings)
		return;
	for (unsigned int i = 0; i < rings->count; i++)
		close(rings->fds[i]);
	free(rings);
}

unsigned int rings_fds(const struct rings *rings, int *fds)
{
	if (!rings)
		return 0;
	memcpy(fds, rings->fds, rings->count * sizeof(*fds));
	return rings->count;
}
