// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>

#include "model/opens.h"

#define SLOTS_MIN 1024
#define SLOTS_MAX (4 * OPENS_MAX) /* large enough that make_room() frees many slots */

/* Hashes of slots without an entry. Bit 63 of each entry's hash is set. */
#define EMPTY 0
#define TAKEN 1

#define MARKED(hash) (1ULL << 63 | (hash))

struct slot {
	uint64_t hash;
	struct open_port port;
};

struct opens {
	struct slot *slots;
	unsigned int size;  /* a power of two */
	unsigned int used;  /* including those taken out */
	unsigned int count; /* without them */
	bool overflowed;
};

struct opens *opens_new(void)
{
	struct opens *opens = calloc(1, sizeof(*opens));

	if (!opens)
		return NULL;
	opens->size = SLOTS_MIN;
	opens->slots = calloc(opens->size, sizeof(*opens->slots));
	if (opens->slots)
		return opens;
	free(opens);
	return NULL;
}

void opens_free(struct opens *opens)
{
	if (!opens)
		return;
	free(opens->slots);
	free(opens);
}

/* Returns the slot of the connection, or the free slot where the search for it ends. */
static struct slot *find(const struct opens *opens, uint64_t hash)
{
	unsigned int i = hash & (opens->size - 1);

	while (opens->slots[i].hash != EMPTY && opens->slots[i].hash != hash)
		i = (i + 1) & (opens->size - 1);
	return &opens->slots[i];
}

/*
 * Frees the slots of connections that were taken out, and doubles the table if a quarter of it
 * would be used.
 */
static bool make_room(struct opens *opens)
{
	struct opens larger = *opens;

	if (opens->count >= opens->size / 4 && opens->size < SLOTS_MAX)
		larger.size = 2 * opens->size;
	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (unsigned int i = 0; i < opens->size; i++)
		if (opens->slots[i].hash > TAKEN)
			*find(&larger, opens->slots[i].hash) = opens->slots[i];
	larger.used = opens->count;
	free(opens->slots);
	*opens = larger;
	return true;
}

bool opens_add(struct opens *opens, uint64_t hash, struct open_port port)
{
	struct slot *slot = find(opens, MARKED(hash));

	if (slot->hash != EMPTY)
		return false;
	if (opens->count == OPENS_MAX || (opens->used >= opens->size / 2 && !make_room(opens))) {
		opens->overflowed = true;
		return false;
	}
	slot = find(opens, MARKED(hash));
	*slot = (struct slot){ MARKED(hash), port };
	opens->used++;
	opens->count++;
	return true;
}

bool opens_take(struct opens *opens, uint64_t hash, struct open_port *port)
{
	struct slot *slot = find(opens, MARKED(hash));

	if (slot->hash == EMPTY)
		return false;
	*port = slot->port;
	slot->hash = TAKEN;
	opens->count--;
	return true;
}

bool opens_overflowed(const struct opens *opens)
{
	return opens->overflowed;
}
