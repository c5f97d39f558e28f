/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The settings of network namespaces, by inode. Pure, one thread at a time.
 */
#ifndef TCPDWELL_NETNS_SETTINGS_H
#define TCPDWELL_NETNS_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "model/facts.h"

struct netns_setting {
	uint32_t inode;
	char name[32]; /* of ip-netns(8), empty: none */
	uint64_t settings[FACT_SETTINGS];
};

/* All zero is an empty list. */
struct netns_settings {
	struct netns_setting *list;
	size_t count, room;
};

/* Frees the list, and leaves it empty. */
void netns_settings_free(struct netns_settings *netns);

/* Adds a copy of @setting. Returns 0 or -ENOMEM. */
int netns_settings_add(struct netns_settings *netns, const struct netns_setting *setting);

/* Returns the settings of a namespace; NULL: not known. Valid until the next one is added. */
const struct netns_setting *netns_settings_find(const struct netns_settings *netns, uint32_t inode);

#endif /* TCPDWELL_NETNS_SETTINGS_H */
