// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/users.h"

/* A text of digits alone is a number, as in chown(1) and setpriv(1) if no user has that name. */
static bool is_number(const char *text, uint32_t *number)
{
	char *end;
	unsigned long value;

	if (!*text || text[strspn(text, "0123456789")])
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || value >= UINT32_MAX)
		return false; /* (uid_t)-1 is no user: setresuid(2) takes it for no change */
	*number = value;
	return true;
}

static int find(const char *name, bool numbers, struct user_ids *ids)
{
	const struct passwd *entry;
	FILE *file = fopen("/etc/passwd", "re");
	uint32_t number = 0;
	bool by_number = numbers && is_number(name, &number);
	int err = -ENOENT;

	if (!file)
		return -errno;
	while (err && (entry = fgetpwent(file))) {
		if (by_number ? entry->pw_uid != number : strcmp(entry->pw_name, name))
			continue;
		*ids = (struct user_ids){ entry->pw_uid, entry->pw_gid };
		err = 0;
	}
	fclose(file);
	return err;
}

int users_uid(const char *name, uint32_t *uid)
{
	struct user_ids ids;
	int err = find(name, false, &ids);

	if (!err)
		*uid = ids.uid;
	return err;
}

int users_find(const char *name, struct user_ids *ids)
{
	uint32_t number;
	int err = find(name, true, ids);

	if (!err || !is_number(name, &number))
		return err;
	*ids = (struct user_ids){ number, USERS_NOBODY };
	return 0;
}
