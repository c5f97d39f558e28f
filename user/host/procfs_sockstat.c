// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "host/procfs_sockstat.h"

/*
 * Reads the line of /proc/net/sockstat or sockstat6 that @format matches. Returns -ENOENT if there
 * is none.
 */
static int scan_sockstat(const char *root, const char *name, const char *format,
			 unsigned int *first, unsigned int *second)
{
	char path[PATH_MAX], line[256];
	int err = -ENOENT;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/thread-self/net/%s", root, name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (err && fgets(line, sizeof(line), file))
		if (sscanf(line, format, first, second) >= 1)
			err = 0;
	fclose(file);
	return err;
}

int procfs_tcp_sockets(const char *root, unsigned int *inuse, unsigned int *timewait)
{
	unsigned int inuse6 = 0, none;
	int err;

	err = scan_sockstat(root, "sockstat", "TCP: inuse %u orphan %*u tw %u", inuse, timewait);
	if (err)
		return err;
	err = scan_sockstat(root, "sockstat6", "TCP6: inuse %u", &inuse6, &none);
	*inuse += inuse6;
	return err == -ENOENT ? 0 : err; /* -ENOENT: there is no IPv6 */
}

int procfs_tcp_sockets_of_host(const char *root, unsigned int *count)
{
	unsigned int none;

	return scan_sockstat(root, "sockstat", "TCP: inuse %*u orphan %*u tw %*u alloc %u", count,
			     &none);
}
