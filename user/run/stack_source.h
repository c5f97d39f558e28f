/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stacks of sockets: asks the loader for each, and remembers the answer. One thread.
 */
#ifndef TCPDWELL_STACK_SOURCE_H
#define TCPDWELL_STACK_SOURCE_H

#include "model/leak.h"

struct loader;
struct notice;
struct stack_source;
struct steward;

/*
 * To be called while the process is small and may fork. @stop_fd is readable once the tracer is to
 * end; it and @notice are the caller's. Returns NULL with errno set. The caller frees it.
 */
struct stack_source *stack_source_new(const char *root, int stop_fd, const struct notice *notice);

/* Before the first stack is asked for. @loader is the caller's. */
void stack_source_set_loader(struct stack_source *source, const struct loader *loader);

/* Who opens files of processes, and is the caller's. NULL: the process does it itself. */
void stack_source_set_steward(struct stack_source *source, struct steward *steward);

/* NULL-safe. */
void stack_source_free(struct stack_source *source);

/* To be called before each look: processes may have changed since. */
void stack_source_refresh(struct stack_source *source);

/* For leaks_set_stacks(); @context is the source. What it gives out lives as long as the source. */
leak_stack_of stack_source_find;

#endif /* TCPDWELL_STACK_SOURCE_H */
