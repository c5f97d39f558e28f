/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stacks of sockets: asks the loader for each stack, and remembers the answer. One thread.
 */
#ifndef TCPDWELL_STACK_SOURCE_H
#define TCPDWELL_STACK_SOURCE_H

#include "model/leak.h"

struct loader;
struct notice;
struct stack_source;
struct steward;

/*
 * Must be called while the process is small and may fork. @stop_fd becomes readable when the tracer
 * is to end. @stop_fd and @notice stay the caller's. Returns NULL with errno set. The caller frees
 * the source.
 */
struct stack_source *stack_source_new(const char *root, int stop_fd, const struct notice *notice);

/* Must be called before the first stack is asked for. @loader stays the caller's. */
void stack_source_set_loader(struct stack_source *source, const struct loader *loader);

/*
 * Sets the steward, which opens files of processes; it stays the caller's. NULL: the symbolizer's
 * own process opens them.
 */
void stack_source_set_steward(struct stack_source *source, struct steward *steward);

/* NULL-safe. */
void stack_source_free(struct stack_source *source);

/* Must be called before each look, since processes may have changed. */
void stack_source_refresh(struct stack_source *source);

/*
 * For leaks_set_stacks(); @context is the source. A stack that it returns lives as long as the
 * source.
 */
leak_stack_of stack_source_find;

#endif /* TCPDWELL_STACK_SOURCE_H */
