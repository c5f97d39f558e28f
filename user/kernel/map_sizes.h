/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets the sizes of the kernel side's maps, by what a capture asks for and by the host's memory.
 * This is a part of the loader: no other module sets a size. Owns nothing.
 */
#ifndef TCPDWELL_MAP_SIZES_H
#define TCPDWELL_MAP_SIZES_H

#include <stdint.h>

#include "kernel/capture.h"

struct tcpdwell_bpf;

/* Returns how many connections may be tracked at a time. */
uint32_t map_sizes_sockets(const struct capture *capture);

/*
 * Sets all sizes, and the knobs that depend on them, before the skeleton is loaded. The skeleton's
 * other knobs must be set. Returns 0 or -errno.
 */
int map_sizes_set(struct tcpdwell_bpf *skel, const struct capture *capture, unsigned int cpus);

#endif /* TCPDWELL_MAP_SIZES_H */
