/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The source of `stat`: what the kernel side has summed in a map that it has left.
 */
#ifndef TCPDWELL_SOURCE_STAT_H
#define TCPDWELL_SOURCE_STAT_H

struct stat_table;

/*
 * Takes all elements out of the map behind @fd, which nobody may add to meanwhile, and adds them to
 * @table. Returns 0 or -errno.
 */
int source_stat_take(int fd, struct stat_table *table);

#endif /* TCPDWELL_SOURCE_STAT_H */
