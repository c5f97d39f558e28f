/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The steward process itself (steward.h). It answers requests until its socket is closed. An
 * impossible request ends it.
 */
#ifndef TCPDWELL_STEWARD_SERVER_H
#define TCPDWELL_STEWARD_SERVER_H

#include <sys/types.h>

/*
 * Forks the steward. Returns the socket for requests, once the steward has given up what it does
 * not need, or -errno. The caller closes the socket and waits for @pid.
 */
int steward_server_start(const char *root, pid_t *pid);

#endif /* TCPDWELL_STEWARD_SERVER_H */
