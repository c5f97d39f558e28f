// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>

#include "model/netns_settings.h"

void netns_settings_free(struct netns_settings *netns)
{
	free(netns->list);
	*netns = (struct netns_settings){};
}

int netns_settings_add(struct netns_settings *netns, const struct netns_setting *setting)
{
	if (netns->count == netns->room) {
		size_t room = netns->room ? netns->room * 2 : 16;
		struct netns_setting *list = reallocarray(netns->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		netns->list = list;
		netns->room = room;
	}
	netns->list[netns->count++] = *setting;
	return 0;
}

const struct netns_setting *netns_settings_find(const struct netns_settings *netns, uint32_t inode)
{
	for (size_t i = 0; i < netns->count; i++)
		if (netns->list[i].inode == inode)
			return &netns->list[i];
	return NULL;
}
