/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Users by name, from /etc/passwd alone.
 *
 * getpwnam() asks whatever nsswitch.conf names by loading the C library's modules, which a static
 * binary can only do on a host with the very same C library. Users of a directory service are
 * given by number.
 */
#ifndef TCPDWELL_ACCOUNT_H
#define TCPDWELL_ACCOUNT_H

#include <stdint.h>

/* Returns 0, -ENOENT if there is no such user, or the -errno of reading the file. */
int account_uid(const char *name, uint32_t *uid);

#endif /* TCPDWELL_ACCOUNT_H */
