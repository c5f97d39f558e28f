// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/decode.h"

/* What all records begin with. */
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

enum decoded decode_record(const void *data, size_t size, struct tcpdwell_transition *t)
{
	struct head head;

	if (size < sizeof(head))
		return DECODED_BAD;
	memcpy(&head, data, sizeof(head));
	if (head.size > size || head.size < sizeof(head))
		return DECODED_BAD;
	if (head.kind != TCPDWELL_TRANSITION)
		return DECODED_UNKNOWN;
	if (head.size < sizeof(*t))
		return DECODED_BAD;

	memcpy(t, data, sizeof(*t));
	if (!in_range(t))
		return DECODED_BAD;
	t->comm[TCPDWELL_COMM_LEN - 1] = '\0';
	return DECODED_TRANSITION;
}
