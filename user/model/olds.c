// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>

#include "model/olds.h"

#define SLOTS_MIN 1024
#define SLOTS_MAX (2 * OLDS_MAX)

/* Values of slots without an entry. No entry has them, since bit 63 of each entry is set. */
#define EMPTY 0
#define TAKEN 1

/* The hash without its low bits, which hold the second. */
#define ENTRY(hash, end) (1ULL << 63 | ((hash) & -(uint64_t)OLDS_SECONDS) | (end) % OLDS_SECONDS)

struct olds {
	uint64_t *slots;
	unsigned int size; /* a power of two */
	unsigned int used; /* including those taken out */
};

struct olds *olds_new(void)
{
	struct olds *olds = calloc(1, sizeof(*olds));

	if (!olds)
		return NULL;
	olds->size = SLOTS_MIN;
	olds->slots = calloc(olds->size, sizeof(*olds->slots));
	if (olds->slots)
		return olds;
	free(olds);
	return NULL;
}

void olds_free(struct olds *olds)
{
	if (!olds)
		return;
	free(olds->slots);
	free(olds);
}

/* Uses the middle of the hash, since the low bits are not kept. */
static unsigned int first_place(const struct olds *olds, uint64_t entry)
{
	return entry >> 20 & (olds->size - 1);
}

static void put(struct olds *olds, uint64_t entry)
{
	unsigned int i = first_place(olds, entry);

	while (olds->slots[i] != EMPTY)
		i = (i + 1) & (olds->size - 1);
	olds->slots[i] = entry;
	olds->used++;
}

static bool grow(struct olds *olds)
{
	struct olds larger = { .size = 2 * olds->size };

	if (larger.size > SLOTS_MAX)
		return false;
	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (unsigned int i = 0; i < olds->size; i++)
		if (olds->slots[i] > TAKEN)
			put(&larger, olds->slots[i]);
	free(olds->slots);
	*olds = larger;
	return true;
}

void olds_add(struct olds *olds, uint64_t hash, uint64_t end)
{
	if (olds->used < olds->size / 2 || grow(olds))
		put(olds, ENTRY(hash, end));
}

bool olds_take(struct olds *olds, uint64_t hash, uint64_t now, uint64_t *end)
{
	uint64_t entry = ENTRY(hash, 0);
	unsigned int i = first_place(olds, entry);

	for (; olds->slots[i] != EMPTY; i = (i + 1) & (olds->size - 1)) {
		if ((olds->slots[i] & -(uint64_t)OLDS_SECONDS) != entry)
			continue;
		*end = now + (olds->slots[i] - now) % OLDS_SECONDS;
		olds->slots[i] = TAKEN;
		return true;
	}
	return false;
}
