// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "host/symbol.h"
#include "host/stacks.h"

/*
 * A program has some hundred ways to connect or accept. Stacks beyond this limit do not come from
 * code. Stacks that code makes share most of their places, so four places a stack are room enough.
 */
#define STACKS_MAX 4096
#define PLACES_MAX (4 * STACKS_MAX)
#define SLOTS	   (2 * PLACES_MAX) /* a power of two, at most half full */

struct stacks {
	struct stack_place *places[SLOTS];
	struct stack *list[SLOTS];
	size_t place_count;
	size_t count;
};

struct stacks *stacks_new(void)
{
	return calloc(1, sizeof(struct stacks));
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	for (size_t i = 0; i < SLOTS; i++) {
		struct stack_place *place = stacks->places[i];

		free(stacks->list[i]);
		if (!place)
			continue;
		free((char *)place->module);
		free((char *)place->function);
		free((char *)place->file);
		free(place);
	}
	free(stacks);
}

static bool is_at(const struct stack_place *place, const char *module, const uint8_t *build_id,
		  uint8_t build_id_bytes, uint64_t offset)
{
	return place->offset == offset && place->build_id_bytes == build_id_bytes &&
	       (!build_id_bytes || !memcmp(place->build_id, build_id, build_id_bytes)) &&
	       !place->module == !module && (!module || !strcmp(place->module, module));
}

static struct stack_place *add_place(struct stacks *stacks, struct stack_place **slot,
				     const char *module, const uint8_t *build_id,
				     uint8_t build_id_bytes, uint64_t offset)
{
	struct stack_place *place;

	if (stacks->place_count == PLACES_MAX)
		return NULL;
	place = calloc(1, sizeof(*place));
	if (!place)
		return NULL;
	place->module = module ? strdup(module) : NULL;
	place->offset = offset;
	place->build_id_bytes = build_id_bytes;
	if (build_id_bytes)
		memcpy(place->build_id, build_id, build_id_bytes);
	stacks->place_count++;
	*slot = place;
	return place;
}

struct stack_place *stacks_place(struct stacks *stacks, const char *module, const uint8_t *build_id,
				 uint8_t build_id_bytes, uint64_t offset)
{
	uint64_t h = fnv64(FNV64_BEGIN, &offset, sizeof(offset));
	struct stack_place **slot;

	h = fnv64(h, build_id, build_id_bytes);
	for (;; h++) {
		slot = &stacks->places[h % SLOTS];
		if (!*slot)
			break;
		if (is_at(*slot, module, build_id, build_id_bytes, offset))
			return *slot;
	}
	return add_place(stacks, slot, module, build_id, build_id_bytes, offset);
}

struct stack_place *stacks_place_made(struct stacks *stacks, const char *module, uint64_t address,
				      const struct symbol *symbol)
{
	uint64_t h = fnv64(FNV64_BEGIN, symbol->function, strlen(symbol->function));
	struct stack_place **slot, *place;

	h = fnv64(h, &address, sizeof(address));
	for (;; h++) {
		slot = &stacks->places[h % SLOTS];
		if (!*slot)
			break;
		if (is_at(*slot, module, NULL, 0, address) && (*slot)->function &&
		    !strcmp((*slot)->function, symbol->function))
			return *slot;
	}
	place = add_place(stacks, slot, module, NULL, 0, address);
	if (place)
		stacks_name(place, symbol);
	return place;
}

void stacks_name(struct stack_place *place, const struct symbol *symbol)
{
	place->named = true;
	place->function = symbol->function ? strdup(symbol->function) : NULL;
	place->into = symbol->into;
	place->file = symbol->file ? strdup(symbol->file) : NULL;
	place->line = symbol->line;
}

static bool equal(const struct stack *a, const struct stack *b)
{
	return a->how == b->how && a->end == b->end && a->gone == b->gone && a->large == b->large &&
	       a->count == b->count && a->guessed == b->guessed &&
	       !memcmp(a->frames, b->frames, a->count * sizeof(a->frames[0]));
}

const struct stack *stacks_keep(struct stacks *stacks, const struct stack *stack)
{
	uint64_t h = fnv64(FNV64_BEGIN, stack->frames, stack->count * sizeof(stack->frames[0]));
	struct stack **slot;

	for (;; h++) {
		slot = &stacks->list[h % SLOTS];
		if (!*slot)
			break;
		if (equal(*slot, stack))
			return *slot;
	}
	if (stacks->count == STACKS_MAX)
		return NULL;
	*slot = malloc(sizeof(**slot));
	if (!*slot)
		return NULL;
	**slot = *stack;
	stacks->count++;
	return *slot;
}
