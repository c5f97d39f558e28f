// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/tracefs.h"

/* linux/mount.h clashes with sys/mount.h before glibc 2.37. This number is from its UAPI (5.2). */
#define FSCONFIG_CMD_CREATE_NR 6

/* Returns a descriptor of a tracefs that is mounted nowhere, or -errno. */
static int mount_detached(void)
{
	int fs = syscall(SYS_fsopen, "tracefs", 0), mount, err;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE_NR, NULL, NULL, 0) < 0) {
		err = -errno;
		close(fs);
		return err;
	}
	mount = syscall(SYS_fsmount, fs, 0, 0);
	err = -errno;
	close(fs);
	return mount < 0 ? err : mount;
}

static int open_root(void)
{
	static const char *const places[] = { "/sys/kernel/tracing/events",
					      "/sys/kernel/debug/tracing/events" };

	for (unsigned int i = 0; i < sizeof(places) / sizeof(*places); i++) {
		/*
		 * access() would ask what the real user may do, without the capabilities of this
		 * process.
		 */
		if (!faccessat(AT_FDCWD, places[i], X_OK, AT_EACCESS)) {
			int fd = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

			if (fd >= 0)
				return fd;
		}
	}
	return mount_detached();
}

static int read_number(int fd)
{
	char text[16];
	ssize_t len = read(fd, text, sizeof(text) - 1);

	if (len < 0)
		return -errno;
	text[len] = 0;
	return atoi(text) > 0 ? atoi(text) : -EINVAL;
}

int tracefs_event_id(const char *group, const char *name)
{
	static const char *const shapes[] = { "%s/%s/id", "events/%s/%s/id" };
	int root = open_root(), id = -ENOENT;

	if (root < 0)
		return root;
	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(*shapes) && id == -ENOENT; i++) {
		char path[128];
		int fd;

		snprintf(path, sizeof(path), shapes[i], group, name);
		fd = openat(root, path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			id = -errno;
			continue;
		}
		id = read_number(fd);
		close(fd);
	}
	close(root);
	return id;
}
