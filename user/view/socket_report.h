/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `snapshot --sockets` as a table: one line a socket. On a narrow terminal columns are shorter or
 * left out; 80 columns are enough. A file gets all columns. Errors stay in the stream. Any thread.
 */
#ifndef TCPDWELL_SOCKET_REPORT_H
#define TCPDWELL_SOCKET_REPORT_H

#include <stdio.h>

struct listing;
struct tcpdwell_socket;

/* @columns: the terminal's width; 0: no limit. */
void socket_report(FILE *out, const struct listing *listing, unsigned int columns);

/* Returns "retransmit", "keepalive", "timewait", "probe", "synack" or "none"; a constant. */
const char *socket_timer_name(unsigned int timer);

/* Returns the name of the process that a socket counts for; "kernel": the kernel itself; or "-". */
const char *socket_who(const struct tcpdwell_socket *info);

#endif /* TCPDWELL_SOCKET_REPORT_H */
