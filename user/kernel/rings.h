/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rings of records where there are several (bpf/maps.bpf.h): how many, how large, and their
 * descriptors.
 */
#ifndef TCPDWELL_RINGS_H
#define TCPDWELL_RINGS_H

#include <stdint.h>

#include "kernel/capture.h"

struct bpf_map;
struct rings;

/* How many @capture comes to: a power of two, 1: there is one ring, which needs no struct rings. */
unsigned int rings_count(const struct capture *capture);

/* How large each of @count is. */
uint64_t rings_bytes(const struct capture *capture, unsigned int count);

/*
 * Makes @map and @count rings of @bytes in it, before the object is loaded. Returns NULL with errno
 * set. The caller frees it.
 */
struct rings *rings_new(struct bpf_map *map, unsigned int count, uint64_t bytes);

/* NULL-safe. */
void rings_free(struct rings *rings);

/* Their descriptors, which stay theirs, into @fds with room for TCPDWELL_RINGS; how many: none of
 * NULL. */
unsigned int rings_fds(const struct rings *rings, int *fds);

#endif /* TCPDWELL_RINGS_H */
