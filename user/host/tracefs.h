/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The numbers of classic tracepoints, which perf_event_open(2) wants and only tracefs tells.
 */
#ifndef TCPDWELL_TRACEFS_H
#define TCPDWELL_TRACEFS_H

/*
 * The number of tracepoint @group:@name, or -errno. Where no tracefs is mounted, one is that no
 * path leads to and that is gone on return: the host sees no mount.
 */
int tracefs_event_id(const char *group, const char *name);

#endif /* TCPDWELL_TRACEFS_H */
