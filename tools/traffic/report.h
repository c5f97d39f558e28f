/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_REPORT_H
#define TRAFFIC_REPORT_H

#include "stage.h"

#include <stdio.h>

/*
 * Prints what must be seen of each end of @stage as a JSON object a line:
 *
 *   scenario, end ("client", "server", "listener"), connection (1; 2… of one socket's lives)
 *   pid, comm, uid         the process that owns the end
 *   netns                  the inode of its network namespace
 *   family, laddr, lport, raddr, rport    "ipv4" and plain IPv4 for mapped addresses; lport 0 where
 *                          the socket never had one
 *   path                   the states in order; a child of a listener begins in LISTEN
 *   at_ns                  for each state of path the CLOCK_MONOTONIC bounds [lo, hi] of the moment
 *                          it was entered; null where it was not waited for
 *   reason, errno          of the last transition to CLOSE; null where there is none
 *   cookie                 only with cookies
 *
 * Ends that never left CLOSE are not printed. Returns 0 or -errno of the stream.
 */
int report_print(FILE *out, struct stage *stage, const char *scenario);

#endif
