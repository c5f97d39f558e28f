/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How large the kernel side's maps are: by what a capture asks for, and by the host's memory. The
 * loader's part: no one else sets any. Owns nothing.
 */
#ifndef TCPDWELL_MAP_SIZES_H
#define TCPDWELL_MAP_SIZES_H

#include <stdint.h>

#include "kernel/capture.h"

struct tcpdwell_bpf;

/* Connections that may be tracked at a time. */
uint32_t map_sizes_sockets(const struct capture *capture);

/*
 * Sets all sizes, and the knobs that go with them, before the skeleton is loaded; its other knobs
 * must be set. Returns 0 or -errno.
 */
int map_sizes_set(struct tcpdwell_bpf *skel, const struct capture *capture, unsigned int cpus);

#endif /* TCPDWELL_MAP_SIZES_H */
