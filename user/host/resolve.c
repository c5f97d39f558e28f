// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "host/procfs.h"
#include "host/resolve.h"
#include "host/untrusted.h"

static uint32_t depth(const char *path)
{
	uint32_t levels = 0;

	for (const char *p = path; *p; p++)
		if (*p != '/' && (p == path || p[-1] == '/'))
			levels++;
	return levels;
}

int resolve_cgroup(const char *path, struct cgroup_ref *cgroup, struct failure *failure)
{
	char mount[PATH_MAX], full[2 * PATH_MAX], real[PATH_MAX];
	struct shown shown, shown_mount;
	struct stat st;
	size_t len;

	if (procfs_cgroup2_mount("", mount, sizeof(mount)))
		return failure_set(
			failure, STATUS_HOST,
			"--cgroup: no cgroup version 2 hierarchy is mounted on this host");
	/* Levels are counted from the root of the hierarchy, whose inode number is 1 (kernfs). */
	if (!stat(mount, &st) && st.st_ino != 1)
		return failure_set(failure, STATUS_HOST,
				   "--cgroup: only a part of the cgroup version 2 hierarchy is "
				   "mounted, at %s: run outside of the container",
				   escape_shown(&shown, mount));
	len = strlen(mount);
	if (!strncmp(path, mount, len) && (path[len] == '/' || !path[len]))
		path += len;
	snprintf(full, sizeof(full), "%s/%s", mount, path);
	/* In the real path no dot-dot leads out, and each name is one level. */
	if (!realpath(full, real) || strncmp(real, mount, len) || (real[len] && real[len] != '/') ||
	    stat(real, &st) || !S_ISDIR(st.st_mode))
		return failure_set(failure, STATUS_USE,
				   "--cgroup: '%s' is not a cgroup: want a path below %s",
				   escape_shown(&shown, path), escape_shown(&shown_mount, mount));
	cgroup->id = st.st_ino;
	cgroup->level = depth(real + len);
	return 0;
}

int resolve_netns(const struct netns_ref *netns, uint32_t *inode, struct failure *failure)
{
	char path[PATH_MAX];
	struct shown shown;
	struct stat st;
	int fd, err;

	*inode = netns->inode;
	if (!netns->path)
		return 0;
	/* A name without a slash is one of ip-netns(8). */
	snprintf(path, sizeof(path), "%s%s", strchr(netns->path, '/') ? "" : "/run/netns/",
		 netns->path);
	fd = untrusted_open_netns(path);
	if (fd < 0)
		return failure_set(failure, STATUS_USE,
				   "--netns: '%s' is no network namespace (%s): want an inode "
				   "number, a name in /run/netns, or a path like /proc/PID/ns/net",
				   escape_shown(&shown, netns->path),
				   fd == -EINVAL ? "another kind of file" : strerror(-fd));
	err = fstat(fd, &st) ? -errno : 0;
	close(fd);
	if (err)
		return failure_errno(failure, "--netns", -err);
	*inode = st.st_ino;
	return 0;
}
