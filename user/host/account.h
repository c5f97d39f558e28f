/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks up users by name, in /etc/passwd alone.
 *
 * getpwnam() asks whatever nsswitch.conf names. For that it loads modules of the C library, which a
 * static binary can only do on a host with the very same C library. So users of a directory service
 * must be given by number.
 */
#ifndef TCPDWELL_ACCOUNT_H
#define TCPDWELL_ACCOUNT_H

#include <stdint.h>

/*
 * Finds a user's number. Returns 0, -ENOENT if there is no such user, or -errno of reading the
 * file.
 */
int account_uid(const char *name, uint32_t *uid);

/* The number of the user and of the group that own nothing, where no file says so. */
#define ACCOUNT_NOBODY 65534

struct account {
	uint32_t uid;
	uint32_t gid; /* the user's own group */
};

/*
 * Finds a user by name or number. A user that only has a number gets nobody's group. Returns 0, or
 * -errno as above.
 */
int account_find(const char *name, struct account *account);

#endif /* TCPDWELL_ACCOUNT_H */
