/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Looks up users by name, in /etc/passwd alone.
 *
 * getpwnam() asks whatever nsswitch.conf names. For that it loads modules of the C library, which a
 * static binary can only do on a host with the very same C library. So users of a directory service
 * must be given by number.
 */
#ifndef TCPDWELL_USERS_H
#define TCPDWELL_USERS_H

#include <stdint.h>

/*
 * Finds a user's number. Returns 0, -ENOENT if there is no such user, or -errno of reading the
 * file.
 */
int users_uid(const char *name, uint32_t *uid);

/* The number of the user and of the group that own nothing, where no file says so. */
#define USERS_NOBODY 65534

struct user_ids {
	uint32_t uid;
	uint32_t gid; /* the user's own group */
};

/*
 * Finds a user by name or number. A user that only has a number gets nobody's group. Returns 0, or
 * -errno as above.
 */
int users_find(const char *name, struct user_ids *ids);

#endif /* TCPDWELL_USERS_H */
