/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets between the tool and its helper processes, through a Unix socket of the type
 * SOCK_SEQPACKET. A descriptor may come with each.
 */
#ifndef TCPDWELL_PACKET_H
#define TCPDWELL_PACKET_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Sends a packet, and a copy of @fd with it unless that is negative. @flags are those of send(2);
 * MSG_NOSIGNAL is added. Returns 0 or -errno.
 */
int packet_send(int socket, const void *packet, size_t bytes, int fd, int flags);

/*
 * Takes a packet of at most @bytes. Sets @fd to the descriptor that came with it, which the caller
 * closes, or to -1. @flags are those of recv(2). Returns the length, 0 if the other side has ended,
 * or -errno: -EMSGSIZE for a packet that is too long or comes with more than one descriptor,
 * -EMFILE if this process can have no more of these.
 */
ssize_t packet_take(int socket, void *packet, size_t bytes, int *fd, int flags);

#endif /* TCPDWELL_PACKET_H */
