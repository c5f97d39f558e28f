/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_TABLE_H
#define TRAFFIC_TABLE_H

#include <stdint.h>

/*
 * The state of a socket as /proc/net/tcp shows it, by its ports. It sees what no descriptor shows:
 * requests, sockets that wait in an accept queue, orphans and the timewait sockets of TIME_WAIT;
 * and unlike sock_diag it does not give them a cookie.
 *
 * table_state() reads @fd from its start and returns a state of <netinet/tcp.h>, TCP_CLOSE where no
 * such socket is listed, or -errno.
 */
int table_state(int fd, uint16_t local_port, uint16_t remote_port);

/* The field's name of a state, "?" for none. */
const char *state_name(int state);

#endif
