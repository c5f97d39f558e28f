// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compare.h"
#include "host/ephemeral.h"
#include "model/ranges.h"

struct place {
	uint32_t netns;
	struct service_range range;
};

struct ranges {
	struct place *places; /* sorted by netns */
	size_t count;
	size_t room;
};

struct ranges *ranges_new(void)
{
	return calloc(1, sizeof(struct ranges));
}

void ranges_free(struct ranges *ranges)
{
	if (!ranges)
		return;
	free(ranges->places);
	free(ranges);
}

static uint64_t netns_of(const void *item)
{
	return ((const struct place *)item)->netns;
}

/* Returns where the range of @netns is, or would be. */
static size_t place_of(const struct ranges *ranges, uint32_t netns)
{
	return count_below(ranges->places, ranges->count, sizeof(*ranges->places), netns_of, netns);
}

int ranges_add(struct ranges *ranges, uint32_t netns, struct service_range range)
{
	size_t at = place_of(ranges, netns);

	if (ranges->count == ranges->room) {
		size_t room = ranges->room ? 2 * ranges->room : 64;
		struct place *places = reallocarray(ranges->places, room, sizeof(*places));

		if (!places)
			return -ENOMEM;
		ranges->places = places;
		ranges->room = room;
	}
	memmove(&ranges->places[at + 1], &ranges->places[at],
		(ranges->count - at) * sizeof(*ranges->places));
	ranges->places[at] = (struct place){ netns, range };
	ranges->count++;
	return 0;
}

struct service_range ranges_find(const struct ranges *ranges, uint32_t netns)
{
	size_t at = ranges ? place_of(ranges, netns) : 0;

	if (ranges && at < ranges->count && ranges->places[at].netns == netns)
		return ranges->places[at].range;
	return (struct service_range){ EPHEMERAL_LOW, EPHEMERAL_HIGH };
}
