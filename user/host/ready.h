/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells a service manager that the tool does what it was started for: sd_notify(3), of which one
 * message is needed. One thread.
 */
#ifndef TCPDWELL_READY_H
#define TCPDWELL_READY_H

/*
 * Opens the way to who waits for it, as NOTIFY_SOCKET says, while sockets can still be made. -1:
 * nobody waits, or cannot be reached. The caller closes it.
 */
int ready_open(void);

/* @fd negative: nothing is told. */
void ready_tell(int fd);

#endif /* TCPDWELL_READY_H */
