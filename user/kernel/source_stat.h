/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The source of `stat`: takes what the kernel side has summed in the map that it no longer adds to.
 */
#ifndef TCPDWELL_SOURCE_STAT_H
#define TCPDWELL_SOURCE_STAT_H

#include "base/event.h"

/*
 * Takes all elements out of the map behind @fd, and hands them to @take with @context. Nobody may
 * add to the map meanwhile. Returns 0 or -errno.
 */
int source_stat_take(int fd, event_take *take, void *context);

#endif /* TCPDWELL_SOURCE_STAT_H */
