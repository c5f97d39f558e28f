/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From which range connect() takes ports in each network namespace. service.h needs it if nobody is
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

/*
 * Adds the range of the namespace with inode @netns, which must not be there yet. Returns 0 or
 * -ENOMEM.
 */
int ranges_add(struct ranges *ranges, uint32_t netns, struct service_range range);

/* Returns the range of a namespace, or Linux's default if it is not known. @ranges may be NULL. */
struct service_range ranges_find(const struct ranges *ranges, uint32_t netns);

#endif /* TCPDWELL_RANGES_H */
