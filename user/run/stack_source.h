/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stacks of sockets: asks the loader for each, and remembers the answer. One thread.
 */
#ifndef TCPDWELL_STACK_SOURCE_H
#define TCPDWELL_STACK_SOURCE_H

#include "model/leak.h"

struct loader;
struct stack_source;

/* @loader is the caller's. Returns NULL with errno set. The caller frees it. */
struct stack_source *stack_source_new(const struct loader *loader, const char *root);

/* NULL-safe. */
void stack_source_free(struct stack_source *source);

/* To be called before each look: processes may have changed since. */
void stack_source_refresh(struct stack_source *source);

/* For leaks_set_stacks(); @context is the source. What it gives out lives as long as the source. */
leak_stack_of stack_source_find;

#endif /* TCPDWELL_STACK_SOURCE_H */
