// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/decode.h"

/* The start of every record. */
struct head {
	uint16_t kind;
	uint16_t size;
};

static bool is_state(unsigned int state)
{
	return state > 0 && state < TCPDWELL_STATE_MAX;
}

static bool in_range(const struct tcpdwell_transition *t)
{
	return is_state(t->from) && is_state(t->to) && (t->family == 4 || t->family == 6) &&
	       t->source < TCPDWELL_SOURCE_MAX && t->dwell <= TCPDWELL_DWELL_AT_LEAST &&
	       t->owner < TCPDWELL_OWNER_MAX && t->reason < TCPDWELL_REASON_MAX;
}

/*
 * Reads the head of the record in @size bytes at @data. Returns DECODED_BAD if the head is
 * impossible, DECODED_UNKNOWN if the record is not of @kind, whose records have at least @least
 * bytes, and @own otherwise.
 */
static enum decoded decode_head(const void *data, size_t size, unsigned int kind, size_t least,
				enum decoded own)
{
	struct head head;

	if (size < sizeof(head))
		return DECODED_BAD;
	memcpy(&head, data, sizeof(head));
	if (head.size > size || head.size < sizeof(head))
		return DECODED_BAD;
	if (head.kind != kind)
		return DECODED_UNKNOWN;
	return head.size < least ? DECODED_BAD : own;
}

enum decoded decode_record(const void *data, size_t size, struct tcpdwell_transition *t)
{
	enum decoded decoded = decode_head(data, size, TCPDWELL_TRANSITION, sizeof(*t),
					   DECODED_TRANSITION);

	if (decoded != DECODED_TRANSITION)
		return decoded;
	memcpy(t, data, sizeof(*t));
	if (!in_range(t))
		return DECODED_BAD;
	t->comm[TCPDWELL_COMM_LEN - 1] = '\0';
	return DECODED_TRANSITION;
}

static bool is_life(const struct tcpdwell_connection *c)
{
	const uint32_t low_bits = 0x55555555; /* of the two that each state has */

	/* Both bits together would be a worth that does not exist. */
	if (c->life.worth & c->life.worth >> 1 & low_bits)
		return false;
	return is_state(c->state) && (c->family == 4 || c->family == 6) &&
	       c->life.opened <= TCPDWELL_DWELL_AT_LEAST && c->owner < TCPDWELL_OWNER_MAX &&
	       c->reason < TCPDWELL_REASON_MAX;
}

enum decoded decode_connection(const void *data, size_t size, struct tcpdwell_connection *c)
{
	enum decoded decoded = decode_head(data, size, TCPDWELL_CONNECTION, sizeof(*c),
					   DECODED_CONNECTION);

	if (decoded != DECODED_CONNECTION)
		return decoded;
	memcpy(c, data, sizeof(*c));
	if (!is_life(c))
		return DECODED_BAD;
	c->comm[TCPDWELL_COMM_LEN - 1] = '\0';
	return DECODED_CONNECTION;
}

struct tcpdwell_port_use decode_port_use(const void *data, size_t size)
{
	const size_t begin = offsetof(struct tcpdwell_port_transition, use);
	struct tcpdwell_port_use use = {};
	struct head head;

	if (size < sizeof(head))
		return use;
	memcpy(&head, data, sizeof(head));
	if (head.kind == TCPDWELL_TRANSITION && head.size <= size &&
	    head.size >= begin + sizeof(use))
		memcpy(&use, (const char *)data + begin, sizeof(use));
	return use;
}
