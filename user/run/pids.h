/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What people paste after -p: numbers of processes, but also of threads (top -H, ps -eLf), and of
 * what has ended.
 */
#ifndef TCPDWELL_PIDS_H
#define TCPDWELL_PIDS_H

#include "base/notice.h"
#include "cli/filters.h"

/*
 * Puts the process of each thread in its place in @pids, each process once, and says so; warns of
 * numbers that are nobody's, or a zombie's. They stay: a process of that number may come. @root is
 * that of procfs.h.
 */
void pids_settle(struct id_list *pids, const char *root, const struct notice *notice);

#endif /* TCPDWELL_PIDS_H */
