/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A socket that listens where an option says: ADDRESS:PORT with an address in numbers, IPv6 in
 * brackets, or unix:PATH; or where a process manager has it listen. One thread.
 */
#ifndef TCPDWELL_LISTENER_H
#define TCPDWELL_LISTENER_H

#include <stddef.h>

#include "base/failure.h"

#define LISTENER_TEXT_BYTES 160

/*
 * Returns its descriptor, which does not block, or -1 with @failure filled: of use for what is no
 * such address, or a path that something else has; of the host if it is taken or not allowed. A
 * socket at the path that nobody listens to is replaced. @shown gets the address as it is bound.
 */
int listener_open(const char *address, char shown[LISTENER_TEXT_BYTES], struct failure *failure);

/*
 * Returns the descriptor that a process manager has handed over (sd_listen_fds(3)), which does not
 * block from here on; -ENOENT: there is none; or -1 with @failure filled, as there are several, or
 * it is no stream that listens. @shown gets its address.
 */
int listener_inherit(char shown[LISTENER_TEXT_BYTES], struct failure *failure);

#endif /* TCPDWELL_LISTENER_H */
