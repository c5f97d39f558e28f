/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the places in the code from what the kernel side keeps of a stack. It uses the files that
 * processes map, and their symbols, and it finds the frames that the kernel's walk left out. One
 * thread.
 *
 * Files stay open, at most SYMBOLIZER_MODULES of them. So a process that is gone can still be told
 * of, as far as others map the same files. If there are more files, those that were unused for
 * longest are closed. Another process reads what is in them (symbol_worker.h).
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
 * Says why there are no names: those of the file @path, which must be escaped, or, if it is NULL,
 * names in general. Each reason is said once, and at most SYMBOLIZER_SAID_MAX files are named.
 */
typedef void symbolizer_say(void *context, const char *path, const char *why);

#define SYMBOLIZER_SAID_MAX 16

/*
 * @stacks and @root belong to the caller. @root is where /proc is, "" for the real one. @stop_fd is
 * readable once the tracer is to end, so that nothing is waited for any more; negative: never. To
 * be called while the process is small and may fork. Returns NULL with errno set. The caller frees
 * it.
 */
struct symbolizer *symbolizer_new(struct stacks *stacks, const char *root, int stop_fd,
				  symbolizer_say *say, void *context);

/* Has @steward, the caller's, open the files of processes. NULL: the calling process opens them. */
void symbolizer_set_steward(struct symbolizer *symbolizer, struct steward *steward);

/* NULL-safe. */
void symbolizer_free(struct symbolizer *symbolizer);

/*
 * Says that a look begins. Processes may have changed what they map since the last one, and there
 * is time again to wait for names.
 */
void symbolizer_refresh(struct symbolizer *symbolizer);

/*
 * Finds the places of the stack @raw. @holder is a process that has the socket now, 0: none is
 * known. If it is a child of the process that is gone, it has the same code at the same addresses.
 * Returns NULL if nothing is known of the stack or there is no room. Returns NULL and sets @later
 * if there is no time left in this look.
 */
const struct stack *symbolizer_resolve(struct symbolizer *symbolizer,
				       const struct tcpdwell_stack *raw, uint32_t holder,
				       bool *later);

#endif /* TCPDWELL_SYMBOLIZER_H */
