/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From which ports connect() takes in each network namespace: what service.h asks where nobody is
 * known to have connected or listened. Pure. One thread at a time.
 */
#ifndef TCPDWELL_RANGES_H
#define TCPDWELL_RANGES_H

#include <stdint.h>

#include "service.h"

struct ranges;

/* Returns NULL with errno set. The caller frees it. */
struct ranges *ranges_new(void);

/* NULL-safe. */
void ranges_free(struct ranges *ranges);

/* Notes that of the namespace of inode @netns, which was not noted before. Returns 0 or -ENOMEM. */
int ranges_add(struct ranges *ranges, uint32_t netns, struct service_range range);

/* That of a namespace, Linux's own where it was not noted. @ranges may be NULL: none was. */
struct service_range ranges_find(const struct ranges *ranges, uint32_t netns);

#endif /* TCPDWELL_RANGES_H */
