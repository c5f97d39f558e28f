/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rings of records, where there are several (bpf/maps.bpf.h): how many there are, how large
 * they are, and their descriptors.
 */
#ifndef TCPDWELL_RINGS_H
#define TCPDWELL_RINGS_H

#include <stdint.h>

#include "kernel/capture.h"

struct bpf_map;
struct rings;

/* Returns how many rings @capture needs: a power of two. If it is 1, struct rings is not needed. */
unsigned int rings_count(const struct capture *capture);

/* Returns how many bytes each of @count rings has. */
uint64_t rings_bytes(const struct capture *capture, unsigned int count);

/*
 * Makes the map of maps @map, and @count rings of @bytes in it, before the object is loaded.
 * Returns NULL with errno set. The caller frees it.
 */
struct rings *rings_new(struct bpf_map *map, unsigned int count, uint64_t bytes);

/* NULL-safe. */
void rings_free(struct rings *rings);

/*
 * Puts the descriptors into @fds, which has room for TCPDWELL_RINGS. They still belong to @rings.
 * Returns how many there are: 0 for NULL.
 */
unsigned int rings_fds(const struct rings *rings, int *fds);

#endif /* TCPDWELL_RINGS_H */
