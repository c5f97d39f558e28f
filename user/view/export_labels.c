// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <inttypes.h>
#include <stdio.h>

#include "base/tcpstate.h"
#include "view/export_labels.h"

static const char *const part_names[] = {
	[EXPORT_PART_STATE] = "state",	       [EXPORT_PART_SIDE] = "side",
	[EXPORT_PART_DIRECTION] = "direction", [EXPORT_PART_REASON] = "reason",
	[EXPORT_PART_ERRNO] = "errno",
};

const char *export_part_label(enum export_part part)
{
	return part_names[part];
}

const char *export_part_value(enum export_part part, uint32_t value, char *number, size_t size)
{
	const char *name = NULL;

	if (part == EXPORT_PART_STATE)
		return tcpstate_name(value);
	if (part == EXPORT_PART_SIDE)
		return value == EXPORT_CLIENT ? "client" : "server";
	if (part == EXPORT_PART_DIRECTION)
		return value == EXPORT_SENT ? "sent" : "received";
	if (part == EXPORT_PART_REASON)
		return reason_name(value) ?: "unknown";
	name = errno_name(value);
	if (name)
		return name;
	snprintf(number, size, "%" PRIu32, value);
	return number;
}

double export_bound_s(unsigned int number)
{
	return (double)(1ULL << (EXPORT_FIRST_POWER + 2 * number)) / 1e9;
}
