/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The knobs of the kernel side (bpf/config.bpf.h): what a capture and the features of the kernel
 * come to there. The loader's part: no one else sets any.
 *
 * Owns nothing.
 */
#ifndef TCPDWELL_KNOBS_H
#define TCPDWELL_KNOBS_H

#include "base/failure.h"
#include "kernel/capture.h"
#include "kernel/feature.h"

struct tcpdwell_bpf__rodata;

/* The features that @capture wants, as struct features has them. */
uint64_t knobs_wanted(const struct capture *capture);

/*
 * Sets all of them but those that go with the size of a map, before the skeleton is loaded. Returns
 * 0, or -1 with @failure filled if a filter names what is not there.
 */
int knobs_set(struct tcpdwell_bpf__rodata *cfg, const struct capture *capture,
	      const struct features *features, struct failure *failure);

#endif /* TCPDWELL_KNOBS_H */
