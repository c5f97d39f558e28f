// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/fnv.h"
#include "model/held_ports.h"

/* A set of ports, in parts. A part is allocated when its first port is added. */
#define PART_BITS  1024
#define PARTS	   (65536 / PART_BITS)
#define PART_WORDS (PART_BITS / 64)

struct port_set_parts {
	uint64_t *parts[PARTS];
};

/* The ports of one local address. */
struct source {
	uint32_t netns;
	uint32_t scope;
	uint8_t laddr[16];
	struct port_set_parts bound, chosen;
};

/* A power of two, and twice as many as there are items. */
#define SLOTS (2 * HELD_DESTINATIONS)

struct held_ports {
	size_t count;
	uint32_t shortage;
	size_t source_count;
	struct source sources[HELD_SOURCES];
	uint16_t slots[SLOTS]; /* one more than the number of an item, 0: free */
	struct held items[HELD_DESTINATIONS];
};

struct held_ports *held_ports_new(void)
{
	return calloc(1, sizeof(struct held_ports));
}

static void ports_release(struct port_set_parts *ports)
{
	for (unsigned int i = 0; i < PARTS; i++)
		free(ports->parts[i]);
}

void held_ports_free(struct held_ports *held)
{
	if (!held)
		return;
	for (size_t i = 0; i < held->source_count; i++) {
		ports_release(&held->sources[i].bound);
		ports_release(&held->sources[i].chosen);
	}
	free(held);
}

/* ---- Ports ---- */

/* Returns 1 if the port is new, 0 if not, or -ENOMEM. */
static int port_add(struct port_set_parts *ports, uint16_t port)
{
	uint64_t **part = &ports->parts[port / PART_BITS], bit = 1ULL << port % 64, *word;

	if (!*part)
		*part = calloc(PART_WORDS, sizeof(**part));
	if (!*part)
		return -ENOMEM;
	word = &(*part)[port % PART_BITS / 64];
	if (*word & bit)
		return 0;
	*word |= bit;
	return 1;
}

static uint64_t word_of(const struct port_set_parts *ports, unsigned int part, unsigned int word)
{
	return ports->parts[part] ? ports->parts[part][word] : 0;
}

/* ---- Local addresses ---- */

static bool is_source(const struct source *source, const struct fact_socket *socket)
{
	return source->netns == socket->at.netns && source->scope == socket->scope &&
	       !memcmp(source->laddr, socket->at.laddr, sizeof(source->laddr));
}

/* Returns NULL if it is not known. */
static const struct source *find_source(const struct held_ports *held,
					const struct fact_socket *socket)
{
	for (size_t i = 0; i < held->source_count; i++)
		if (is_source(&held->sources[i], socket))
			return &held->sources[i];
	return NULL;
}

static struct source *take_source(struct held_ports *held, const struct fact_socket *socket)
{
	struct source *source = (struct source *)find_source(held, socket);

	if (source || held->source_count == HELD_SOURCES)
		return source;
	source = &held->sources[held->source_count++];
	*source = (struct source){ .netns = socket->at.netns, .scope = socket->scope };
	memcpy(source->laddr, socket->at.laddr, sizeof(source->laddr));
	return source;
}

/* ---- Destinations ---- */

static bool is_same(const struct held *a, const struct held *b)
{
	return a->bound == b->bound && a->scope == b->scope &&
	       !memcmp(&a->at, &b->at, sizeof(a->at));
}

/* The padding is cleared, too: keys are compared as bytes. */
static struct held key_of(const struct fact_socket *socket)
{
	struct held key;

	memset(&key, 0, sizeof(key));
	key.at.netns = socket->at.netns;
	key.at.family = socket->at.family;
	memcpy(key.at.laddr, socket->at.laddr, sizeof(key.at.laddr));
	key.scope = socket->scope;
	key.bound = socket->bound;
	if (key.bound)
		return key;
	key.at.rport = socket->at.rport;
	memcpy(key.at.raddr, socket->at.raddr, sizeof(key.at.raddr));
	return key;
}

/* Returns the slot where @key is or would be. */
static uint16_t *slot_of(struct held_ports *held, const struct held *key)
{
	uint64_t hash = fnv64(fnv64(FNV64_BEGIN, &key->at, sizeof(key->at)), &key->scope,
			      sizeof(key->scope));

	for (;; hash++) {
		uint16_t *slot = &held->slots[hash % SLOTS];

		if (!*slot || is_same(&held->items[*slot - 1], key))
			return slot;
	}
}

/* Drops those with the fewest sockets until half of the room is free. */
static void make_room(struct held_ports *held)
{
	size_t kept = held->count;
	uint32_t least = 0;

	while (kept > HELD_DESTINATIONS / 2) {
		size_t count = kept;

		least = least * 2 ?: 1;
		kept = 0;
		for (size_t i = 0; i < count; i++)
			if (held->items[i].open + held->items[i].timewait > least)
				held->items[kept++] = held->items[i];
	}
	held->count = kept;
	held->shortage += least;
	memset(held->slots, 0, sizeof(held->slots));
	for (size_t i = 0; i < kept; i++)
		*slot_of(held, &held->items[i]) = i + 1;
}

static struct held *take_item(struct held_ports *held, const struct fact_socket *socket)
{
	const struct held key = key_of(socket);
	uint16_t *slot = slot_of(held, &key);

	if (*slot)
		return &held->items[*slot - 1];
	if (held->count == HELD_DESTINATIONS) {
		make_room(held);
		slot = slot_of(held, &key);
	}
	held->items[held->count] = key;
	*slot = ++held->count;
	return &held->items[*slot - 1];
}

static void count_port(struct held *item, const struct fact_socket *socket)
{
	uint64_t second = socket->timers.expires_ns / NS_PER_S;

	if (socket->state != TCPDWELL_TIME_WAIT) {
		item->open++;
		return;
	}
	item->timewait++;
	item->due[second < TALLY_SECONDS ? second : TALLY_SECONDS - 1]++;
}

static void note_range(struct held *item, const struct fact_socket *socket)
{
	if (socket->state == TCPDWELL_TIME_WAIT)
		return;
	item->range_varies |= item->range_known && (item->range_low != socket->ports_low ||
						    item->range_high != socket->ports_high);
	item->range_known = true;
	item->range_low = socket->ports_low;
	item->range_high = socket->ports_high;
}

/* No two sockets have the same ends, but several may share one bound port. */
int held_ports_add(struct held_ports *held, const struct fact_socket *socket)
{
	const uint64_t young_ns = (TIMEWAIT_SECONDS - TALLY_RATE_SECONDS) * NS_PER_S;
	struct source *source = take_source(held, socket);
	int fresh = 1;
	struct held *item;

	if (source)
		fresh = port_add(socket->bound ? &source->bound : &source->chosen,
				 socket->at.lport);
	if (fresh < 0)
		return fresh;
	if (!source && socket->bound)
		return 0;
	item = take_item(held, socket);
	item->entered += socket->state == TCPDWELL_TIME_WAIT &&
			 socket->timers.expires_ns > young_ns;
	if (fresh || !socket->bound)
		count_port(item, socket);
	note_range(item, socket);
	return 0;
}

/* ---- What is told ---- */

size_t held_ports_count(const struct held_ports *held)
{
	return held->count;
}

const struct held *held_ports_at(const struct held_ports *held, size_t i)
{
	return &held->items[i];
}

/* connect() passes over what bind() took at any address. */
static uint64_t count_bound(const struct held_ports *held, const struct fact_socket *like)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < PARTS * PART_WORDS; i++) {
		uint64_t word = 0;

		for (size_t j = 0; j < held->source_count; j++) {
			const struct source *source = &held->sources[j];

			if (source->netns == like->at.netns && source->scope == like->scope)
				word |= word_of(&source->bound, i / PART_WORDS, i % PART_WORDS);
		}
		count += __builtin_popcountll(word);
	}
	return count;
}

uint64_t held_ports_blocked(const struct held_ports *held, const struct fact_socket *like)
{
	const struct source *source = find_source(held, like);
	uint64_t count = 0;

	if (!like->bound)
		return count_bound(held, like);
	for (unsigned int i = 0; source && i < PARTS * PART_WORDS; i++)
		count += __builtin_popcountll(
			word_of(&source->chosen, i / PART_WORDS, i % PART_WORDS) &
			~word_of(&source->bound, i / PART_WORDS, i % PART_WORDS));
	return count;
}

uint32_t held_ports_short(const struct held_ports *held)
{
	return held->shortage;
}
