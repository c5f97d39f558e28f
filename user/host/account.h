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

/* The number of the user and of the group who have nothing, where no file says so. */
#define ACCOUNT_NOBODY 65534

struct account {
	uint32_t uid;
	uint32_t gid; /* the user's own group */
};

/*
 * Finds a user by name or number; one that only has a number has nobody's group. Returns 0, or as
 * above.
 */
int account_find(const char *name, struct account *account);

#endif /* TCPDWELL_ACCOUNT_H */
