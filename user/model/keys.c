// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "base/spread.h"
#include "model/keys.h"

#define SIZE_MIN 64

static size_t slot_of(const struct keys *keys, uint64_t key)
{
	size_t at = spread(key) >> 20 & (keys->size - 1);

	while (keys->slots[at] && keys->slots[at] != key)
		at = (at + 1) & (keys->size - 1);
	return at;
}

static int grow(struct keys *keys)
{
	struct keys more = { .size = keys->size ? keys->size * 2 : SIZE_MIN, .count = keys->count };

	more.has_zero = keys->has_zero;
	more.slots = calloc(more.size, sizeof(*more.slots));
	if (!more.slots)
		return -ENOMEM;
	for (size_t i = 0; i < keys->size; i++)
		if (keys->slots[i])
			more.slots[slot_of(&more, keys->slots[i])] = keys->slots[i];
	free(keys->slots);
	*keys = more;
	return 0;
}

int keys_add(struct keys *keys, uint64_t key)
{
	size_t at;

	if (!key) {
		bool known = keys->has_zero;

		keys->has_zero = true;
		return !known;
	}
	if ((keys->count + 1) * 5 > keys->size * 4 && grow(keys))
		return -ENOMEM;
	at = slot_of(keys, key);
	if (keys->slots[at])
		return 0;
	keys->slots[at] = key;
	keys->count++;
	return 1;
}

bool keys_has(const struct keys *keys, uint64_t key)
{
	if (!key)
		return keys->has_zero;
	return keys->size && keys->slots[slot_of(keys, key)];
}

void keys_release(struct keys *keys)
{
	free(keys->slots);
	*keys = (struct keys){};
}
