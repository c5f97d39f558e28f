// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compare.h"
#include "host/netns_walk.h"
#include "host/sockdiag.h"
#include "kernel/loader.h"
#include "kernel/unnamed.h"

struct unnamed {
	uint32_t netns;
	struct sockdiag_ends ends;
};

struct list {
	struct unnamed *items;
	size_t count, room;
};

static int note(void *context, const struct tcpdwell_socket *socket)
{
	struct list *list = context;
	struct unnamed *item;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 1024;

		item = reallocarray(list->items, room, sizeof(*item));
		if (!item)
			return -ENOMEM;
		list->items = item;
		list->room = room;
	}
	item = &list->items[list->count++];
	*item = (struct unnamed){
		.netns = socket->netns,
		.ends = {
			.family = socket->family,
			.lport = socket->lport,
			.rport = socket->rport,
			.interface = socket->scope,
		},
	};
	memcpy(item->ends.laddr, socket->laddr, sizeof(item->ends.laddr));
	memcpy(item->ends.raddr, socket->raddr, sizeof(item->ends.raddr));
	return 0;
}

static int by_namespace(const void *left, const void *right)
{
	const struct unnamed *a = left, *b = right;

	return compare(a->netns, b->netns);
}

static uint64_t netns_of(const void *item)
{
	return ((const struct unnamed *)item)->netns;
}

static int touch_inside(void *context, const struct netns_place *place)
{
	const struct list *list = context;
	struct sockdiag_ends ends[SOCKDIAG_TOUCHED];
	size_t count, at = count_below(list->items, list->count, sizeof(*list->items), netns_of,
				       place->inode);
	int fd, err = 0;

	if (at == list->count || list->items[at].netns != place->inode)
		return 0;
	fd = netns_place_sockdiag(place);
	if (fd < 0)
		return 0;
	while (!err) {
		for (count = 0; count < SOCKDIAG_TOUCHED && at < list->count &&
				list->items[at].netns == place->inode;
		     count++, at++)
			ends[count] = list->items[at].ends;
		if (!count)
			break;
		err = sockdiag_touch(fd, ends, count);
	}
	close(fd);
	return 0;
}

int unnamed_name(struct loader *loader)
{
	struct list list = {};
	unsigned int closed;
	int err = loader_walk(loader, TCPDWELL_WALK_UNNAMED, note, &list);

	if (!err && list.count) {
		qsort(list.items, list.count, sizeof(*list.items), by_namespace);
		err = netns_walk(loader_steward(loader), loader_netns(loader), touch_inside, &list,
				 &closed);
	}
	free(list.items);
	return err;
}
