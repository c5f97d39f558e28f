// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memo.h"
#include "base/spread.h"

struct slot {
	struct memo_key key;
	struct memo_text text; /* length 0: the slot is free */
};

struct memo {
	unsigned int shift;
	size_t slot_bytes;
	size_t text_bytes;
	char slots[] __attribute__((aligned(64)));
};

/*
 * Returns the size of a slot. It is a multiple of a cache line, so that a short text is read from
 * as few lines as possible.
 */
static size_t bytes_of_slot(size_t text_bytes)
{
	return (offsetof(struct slot, text.text) + text_bytes + 63) & ~(size_t)63;
}

struct memo *memo_new(size_t slots, size_t text_bytes)
{
	size_t slot_bytes = bytes_of_slot(text_bytes);
	size_t bytes = sizeof(struct memo) + slots * slot_bytes;
	struct memo *memo = aligned_alloc(_Alignof(struct memo), bytes);

	if (!memo)
		return NULL;
	memset(memo, 0, bytes);
	memo->shift = 64 - __builtin_ctzll(slots);
	memo->slot_bytes = slot_bytes;
	memo->text_bytes = text_bytes;
	return memo;
}

void memo_free(struct memo *memo)
{
	free(memo);
}

static struct slot *slot_of(const struct memo *memo, const struct memo_key *key)
{
	uint64_t hash = spread(key->words[0] ^ key->words[1] ^ key->words[2]);

	return (struct slot *)(memo->slots + (hash >> memo->shift) * memo->slot_bytes);
}

/* Compares without a loop, which would take longer than the comparison itself. */
static bool same(const struct memo_key *key, const struct memo_key *other)
{
	const uint64_t *a = key->words, *b = other->words;

	return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		 (a[5] ^ b[5]) | (a[6] ^ b[6]) | (a[7] ^ b[7]));
}

_Static_assert(MEMO_KEY_WORDS == 8, "same() compares all words");

const struct memo_text *memo_find(const struct memo *memo, const struct memo_key *key)
{
	const struct slot *slot = slot_of(memo, key);

	return slot->text.len && same(&slot->key, key) ? &slot->text : NULL;
}

void memo_keep(struct memo *memo, const struct memo_key *key, const char *text, size_t len)
{
	struct slot *slot = slot_of(memo, key);

	if (len > memo->text_bytes)
		return;
	slot->key = *key;
	slot->text.len = len;
	memcpy(slot->text.text, text, len);
}
