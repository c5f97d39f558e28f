/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells a service manager that the tool does what it was started for: the one message of
 * sd_notify(3) that is needed. One thread.
 */
#ifndef TCPDWELL_READY_H
#define TCPDWELL_READY_H

/*
 * Opens a socket to the process that waits for the message, as NOTIFY_SOCKET says, while sockets
 * can still be made. Returns -1 if nobody waits or can be reached. The caller closes it.
 */
int ready_open(void);

/* Sends the message. If @fd is negative, nothing is sent. */
void ready_tell(int fd);

#endif /* TCPDWELL_READY_H */
