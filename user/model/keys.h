/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A set of numbers, eight bytes each, and a fifth of that to spare, at the least. Pure, one thread
 * at a time.
 */
#ifndef TCPDWELL_KEYS_H
#define TCPDWELL_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: it is empty. */
struct keys {
	uint64_t *places; /* 0: free */
	size_t size;	  /* a power of two */
	size_t count;
	bool has_zero;
};

/* Returns 1 if it is a new one, 0 if not, or -ENOMEM. */
int keys_add(struct keys *keys, uint64_t key);

bool keys_has(const struct keys *keys, uint64_t key);

/* Forgets them, and gives the memory back. */
void keys_release(struct keys *keys);

#endif /* TCPDWELL_KEYS_H */
