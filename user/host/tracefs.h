/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the numbers of classic tracepoints, which perf_event_open(2) wants and only tracefs tells.
 */
#ifndef TCPDWELL_TRACEFS_H
#define TCPDWELL_TRACEFS_H

/*
 * Returns the number of tracepoint @group:@name, or -errno. If no tracefs is mounted, the function
 * mounts one to which no path leads, and which is gone on return: the host sees no mount.
 */
int tracefs_event_id(const char *group, const char *name);

#endif /* TCPDWELL_TRACEFS_H */
