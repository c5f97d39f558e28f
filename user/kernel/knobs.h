/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sets the knobs of the kernel side (bpf/config.bpf.h) by the capture and by the features that the
 * kernel has. This is a part of the loader: no other module sets a knob.
 *
 * Owns nothing.
 */
#ifndef TCPDWELL_KNOBS_H
#define TCPDWELL_KNOBS_H

#include "base/failure.h"
#include "kernel/capture.h"
#include "kernel/feature.h"

struct tcpdwell_bpf__rodata;

/* Returns the mask of the features that @capture wants, as `wanted` of struct features has it. */
uint64_t knobs_wanted(const struct capture *capture);

/*
 * Sets all knobs but those that depend on the size of a map (map_sizes.h), before the skeleton is
 * loaded. Returns 0, or -1 with @failure filled if a filter names something that does not exist.
 */
int knobs_set(struct tcpdwell_bpf__rodata *cfg, const struct capture *capture,
	      const struct features *features, struct failure *failure);

#endif /* TCPDWELL_KNOBS_H */
