// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE /* O_PATH */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/untrusted.h"

/* Opens the file that the descriptor @place stands for, and closes @place. */
static int open_place(int place)
{
	char path[sizeof("/proc/self/fd/") + 11];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		fd = -errno;
	close(place);
	return fd;
}

/* Does the same, but only for a regular file that has the inode, if one is given. */
static int open_regular(int place, uint64_t inode)
{
	struct stat st;

	if (place < 0)
		return -errno;
	if (!fstat(place, &st) && S_ISREG(st.st_mode) && (!inode || st.st_ino == inode))
		return open_place(place);
	close(place);
	return -EINVAL;
}

int untrusted_open_file(const char *path, uint64_t inode)
{
	return open_regular(open(path, O_PATH | O_CLOEXEC), inode);
}

int untrusted_open_in(int folder, const char *name)
{
	return open_regular(openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), 0);
}

int untrusted_open_netns(const char *path)
{
	int place = open(path, O_PATH | O_CLOEXEC), fd;
	struct statfs fs;

	if (place < 0)
		return -errno;
	if (fstatfs(place, &fs) || fs.f_type != NSFS_MAGIC) {
		close(place);
		return -EINVAL;
	}
	fd = open_place(place);
	if (fd < 0 || ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return fd;
	close(fd);
	return -EINVAL;
}
