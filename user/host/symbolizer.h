/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From what the kernel side keeps of a stack to places in the code: files that processes map, their
 * symbols, and the frames that the kernel's walk passed over. One thread.
 *
 * Files that were opened stay open, at most SYMBOLIZER_MODULES of them, so that a process that is
 * gone is told of as far as others map the same files.
 */
#ifndef TCPDWELL_SYMBOLIZER_H
#define TCPDWELL_SYMBOLIZER_H

#include <stdint.h>

#include "model/stacks.h"

#define SYMBOLIZER_MODULES 256

struct symbolizer;

/*
 * @stacks is the caller's, as is @root, where /proc is: "" for the real one. Returns NULL with
 * errno set. The caller frees it.
 */
struct symbolizer *symbolizer_new(struct stacks *stacks, const char *root);

/* NULL-safe. */
void symbolizer_free(struct symbolizer *symbolizer);

/* Processes may have changed what they map since they were last looked at. */
void symbolizer_refresh(struct symbolizer *symbolizer);

/*
 * @holder is a process that has the socket now, 0: none is known. If it is a child of the one that
 * is gone, it has the same code at the same addresses. Returns NULL if nothing is known of the
 * stack, or there is no room.
 */
const struct stack *symbolizer_resolve(struct symbolizer *symbolizer,
				       const struct tcpdwell_stack *raw, uint32_t holder);

#endif /* TCPDWELL_SYMBOLIZER_H */
