/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Corrects what people paste after -p: numbers of processes, but also those of threads (from top -H
 * or ps -eLf), and those of processes that have ended.
 */
#ifndef TCPDWELL_PIDS_H
#define TCPDWELL_PIDS_H

#include "base/notice.h"
#include "cli/filters.h"

/*
 * Replaces each thread in @pids by its process, removes duplicates, and warns of each replacement.
 * Warns also of a number that no process has, or that a zombie has. Such numbers stay in @pids,
 * since a process with that number may come. @root is the root directory as in procfs.h.
 */
void pids_settle(struct id_list *pids, const char *root, const struct notice *notice);

#endif /* TCPDWELL_PIDS_H */
