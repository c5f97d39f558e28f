/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The source of `stat`: what the kernel side has summed in a map that it has left.
 */
#ifndef TCPDWELL_SOURCE_STAT_H
#define TCPDWELL_SOURCE_STAT_H

#include "base/event.h"

/*
 * Takes all elements out of the map behind @fd, which nobody may add to meanwhile, and hands them
 * to @take with @context. Returns 0 or -errno.
 */
int source_stat_take(int fd, event_take *take, void *context);

#endif /* TCPDWELL_SOURCE_STAT_H */
