/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_TABLE_H
#define TRAFFIC_TABLE_H

#include <stdint.h>

/*
 * The state of a socket as /proc/net/tcp shows it, found by its ports. It covers what no descriptor
 * shows: requests, sockets in an accept queue, orphans and timewait sockets. Unlike sock_diag, it
 * does not give them a cookie.
 *
 * table_state() reads @fd from its start. It returns a state of <netinet/tcp.h>, TCP_CLOSE if no
 * such socket is listed, or -errno.
 */
int table_state(int fd, uint16_t local_port, uint16_t remote_port);

/* Returns the name that people use for a state; "?" for none. */
const char *state_name(int state);

#endif
