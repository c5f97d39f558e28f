// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "host/ephemeral.h"
#include "host/netns_walk.h"
#include "host/resolve.h"
#include "run/port_ranges.h"

static int note_range(void *context, const struct netns_place *place)
{
	struct ephemeral ephemeral;

	if (ephemeral_read(&ephemeral, ""))
		return 0;
	return ranges_add(context, place->inode,
			  (struct service_range){ ephemeral.low, ephemeral.high });
}

struct ranges *port_ranges_take(const struct session *session)
{
	struct ranges *ranges = ranges_new();
	unsigned int closed;
	struct failure failure;
	uint32_t only = 0;

	if (ranges && !resolve_netns(&session->options->filters.netns, &only, &failure))
		netns_walk(NULL, only, note_range, ranges, &closed);
	return ranges;
}
