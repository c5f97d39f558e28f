// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memo.h"
#include "base/spread.h"

struct place {
	struct memo_key key;
	struct memo_text text; /* length 0: the place is free */
};

struct memo {
	unsigned int shift;
	size_t place_bytes;
	size_t text_bytes;
	char places[] __attribute__((aligned(64)));
};

/*
 * Returns the size of a place. It is a multiple of a cache line, so that a short text is read from
 * as few lines as possible.
 */
static size_t bytes_of_place(size_t text_bytes)
{
	return (offsetof(struct place, text.text) + text_bytes + 63) & ~(size_t)63;
}

struct memo *memo_new(size_t places, size_t text_bytes)
{
	size_t place_bytes = bytes_of_place(text_bytes);
	size_t bytes = sizeof(struct memo) + places * place_bytes;
	struct memo *memo = aligned_alloc(_Alignof(struct memo), bytes);

	if (!memo)
		return NULL;
	memset(memo, 0, bytes);
	memo->shift = 64 - __builtin_ctzll(places);
	memo->place_bytes = place_bytes;
	memo->text_bytes = text_bytes;
	return memo;
}

void memo_free(struct memo *memo)
{
	free(memo);
}

static struct place *place_of(const struct memo *memo, const struct memo_key *key)
{
	uint64_t hash = spread(key->words[0] ^ key->words[1] ^ key->words[2]);

	return (struct place *)(memo->places + (hash >> memo->shift) * memo->place_bytes);
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
	const struct place *place = place_of(memo, key);

	return place->text.len && same(&place->key, key) ? &place->text : NULL;
}

void memo_keep(struct memo *memo, const struct memo_key *key, const char *text, size_t len)
{
	struct place *place = place_of(memo, key);

	if (len > memo->text_bytes)
		return;
	place->key = *key;
	place->text.len = len;
	memcpy(place->text.text, text, len);
}
