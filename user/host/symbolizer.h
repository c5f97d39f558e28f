/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From what the kernel side keeps of a stack to places in the code: files that processes map, their
 * symbols, and the frames that the kernel's walk passed over. One thread.
 *
 * Files that were opened stay open, at most SYMBOLIZER_MODULES of them, so that a process that is
 * gone is told of as far as others map the same files; of more, those that were not used for
 * longest are closed. What is in them another process reads (symbol_worker.h).
 */
#ifndef TCPDWELL_SYMBOLIZER_H
#define TCPDWELL_SYMBOLIZER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/symbol_wire.h"
#include "host/stacks.h"

#define SYMBOLIZER_MODULES SYMBOL_SLOTS

struct steward;
struct symbolizer;

/*
 * Why there are no names: of the file @path, which is to be escaped, or in general where it is
 * NULL. Each is said once, and no more than SYMBOLIZER_SAID_MAX files are named.
 */
typedef void symbolizer_say(void *context, const char *path, const char *why);

#define SYMBOLIZER_SAID_MAX 16

/*
 * @stacks is the caller's, as is @root, where /proc is: "" for the real one. @stop_fd is readable
 * once the tracer is to end, so that nothing is waited for any more; negative: never. To be called
 * while the process is small and may fork. Returns NULL with errno set. The caller frees it.
 */
struct symbolizer *symbolizer_new(struct stacks *stacks, const char *root, int stop_fd,
				  symbolizer_say *say, void *context);

/* Has @steward, the caller's, open what is a process's. NULL: the calling process does it. */
void symbolizer_set_steward(struct symbolizer *symbolizer, struct steward *steward);

/* NULL-safe. */
void symbolizer_free(struct symbolizer *symbolizer);

/*
 * A look begins: processes may have changed what they map since they were last looked at, and there
 * is time again to wait for names.
 */
void symbolizer_refresh(struct symbolizer *symbolizer);

/*
 * @holder is a process that has the socket now, 0: none is known. If it is a child of the one that
 * is gone, it has the same code at the same addresses. Returns NULL if nothing is known of the
 * stack, or there is no room, or, with @later, if there is no time left in this look.
 */
const struct stack *symbolizer_resolve(struct symbolizer *symbolizer,
				       const struct tcpdwell_stack *raw, uint32_t holder,
				       bool *later);

#endif /* TCPDWELL_SYMBOLIZER_H */
