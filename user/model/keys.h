/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A set of 64-bit numbers. Each takes eight bytes, and at least a fifth of the slots stays free.
 * Pure, one thread at a time.
 */
#ifndef TCPDWELL_KEYS_H
#define TCPDWELL_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty set. */
struct keys {
	uint64_t *slots; /* 0: free */
	size_t size;	 /* a power of two */
	size_t count;
	bool has_zero;
};

/* Adds @key. Returns 1 if it is new, 0 if not, or -ENOMEM. */
int keys_add(struct keys *keys, uint64_t key);

bool keys_has(const struct keys *keys, uint64_t key);

/* Empties the set, and frees its memory. */
void keys_release(struct keys *keys);

#endif /* TCPDWELL_KEYS_H */
