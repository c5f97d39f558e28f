/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps text that is likely to be needed again soon, by what it was made of. The rows of one
 * connection come close together, and a few processes own most connections.
 *
 * A memo has a fixed number of slots. Each key has one slot that it can be in, and the newest
 * text there replaces the one before. Memory is bounded, and nothing but memo_new() allocates. One
 * thread at a time.
 */
#ifndef TCPDWELL_MEMO_H
#define TCPDWELL_MEMO_H

#include <stddef.h>
#include <stdint.h>

struct memo;

#define MEMO_KEY_WORDS 8

/*
 * All that a text depends on. The exclusive or of the first three words chooses the slot, so these
 * words must hold what tells keys apart, each in bits of its own.
 */
struct memo_key {
	uint64_t words[MEMO_KEY_WORDS];
};

struct memo_text {
	uint16_t len;
	char text[];
};

/*
 * Makes a memo with @slots slots, a power of two, for texts of up to @text_bytes. Returns NULL
 * with errno set if there is no memory. The caller frees it.
 */
struct memo *memo_new(size_t slots, size_t text_bytes);

/* NULL-safe. */
void memo_free(struct memo *memo);

/*
 * Returns the text of @key, or NULL if it is not remembered. The text is valid until the next
 * memo_keep().
 */
const struct memo_text *memo_find(const struct memo *memo, const struct memo_key *key);

/* Remembers @len bytes at @text, unless they are too long. */
void memo_keep(struct memo *memo, const struct memo_key *key, const char *text, size_t len);

#endif /* TCPDWELL_MEMO_H */
