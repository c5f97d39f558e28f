/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes a socket that listens where an option says: ADDRESS:PORT, with a numeric address and IPv6
 * in brackets, or unix:PATH. A process manager may also hand one over. One thread.
 */
#ifndef TCPDWELL_LISTENER_H
#define TCPDWELL_LISTENER_H

#include <stddef.h>

#include "base/failure.h"

#define LISTENER_TEXT_BYTES 512

/*
 * Returns the descriptor of the socket, which does not block, or -1 with @failure filled. It is an
 * error of use if @address is no address, or if something that is no socket is at its path. It is
 * an error of the host if the address is taken or not allowed. A socket at the path is replaced if
 * nobody listens to it. @shown gets where it serves: the URL of
 * the metrics, or unix:PATH.
 */
int listener_open(const char *address, char shown[LISTENER_TEXT_BYTES], struct failure *failure);

/*
 * Returns the descriptor that a process manager has handed over (sd_listen_fds(3)), and has it not
 * block from here on. Returns -ENOENT if there is none. Returns -1 with @failure filled if there
 * are several, or if it is no stream socket that listens. @shown gets where it serves.
 */
int listener_inherit(char shown[LISTENER_TEXT_BYTES], struct failure *failure);

#endif /* TCPDWELL_LISTENER_H */
