/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `snapshot --sockets` as a table: a line a socket. On a narrow terminal columns are short or left
 * out; 80 are enough, and into a file all are there. Errors stay in the stream. Any thread.
 */
#ifndef TCPDWELL_SOCKET_REPORT_H
#define TCPDWELL_SOCKET_REPORT_H

#include <stdio.h>

struct listing;

/* @columns: the terminal's width, 0: as much as there is. */
void socket_report(FILE *out, const struct listing *listing, unsigned int columns);

/* "retransmit", "keepalive", "timewait", "probe", "synack", "none"; a constant. */
const char *socket_timer_name(unsigned int timer);

#endif /* TCPDWELL_SOCKET_REPORT_H */
