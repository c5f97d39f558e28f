// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "host/account.h"

int account_uid(const char *name, uint32_t *uid)
{
	const struct passwd *entry;
	FILE *file = fopen("/etc/passwd", "re");
	int err = -ENOENT;

	if (!file)
		return -errno;
	while (err && (entry = fgetpwent(file))) {
		if (strcmp(entry->pw_name, name))
			continue;
		*uid = entry->pw_uid;
		err = 0;
	}
	fclose(file);
	return err;
}
