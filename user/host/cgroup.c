// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE /* open_by_handle_at() */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/spread.h"
#include "host/cgroup.h"
#include "host/procfs.h"

#define RETRY_NS 100000000ULL

/* The type of kernfs file handles, which hold nothing but the id (fs/kernfs, since 5.5). */
#define FILEID_KERNFS 0xfe

struct entry {
	uint64_t id;	  /* 0: the slot is free */
	uint64_t seen_ns; /* when a name was last looked for */
	char *path;	  /* NULL: it has no name */
};

struct cgroup_names {
	int mount_fd;
	bool handles; /* ids can be opened as file handles */
	uint64_t walked_ns;
	size_t count;
	size_t slots; /* a power of two, at most half of them taken */
	struct entry *entries;
	size_t mount_len;
	char mount[PATH_MAX];
};

static struct entry *find_slot(struct entry *entries, size_t slots, uint64_t id)
{
	size_t i = spread(id) >> 32;

	for (;; i++) {
		struct entry *entry = &entries[i & (slots - 1)];

		if (!entry->id || entry->id == id)
			return entry;
	}
}

static bool grow(struct cgroup_names *names)
{
	size_t slots = names->slots * 2;
	struct entry *entries = calloc(slots, sizeof(*entries));

	if (!entries)
		return false;
	for (size_t i = 0; i < names->slots; i++) {
		if (names->entries[i].id)
			*find_slot(entries, slots, names->entries[i].id) = names->entries[i];
	}
	free(names->entries);
	names->entries = entries;
	names->slots = slots;
	return true;
}

/*
 * Sets the name of @id; if @path is NULL, it has none. Without memory the name is only not
 * remembered.
 */
static const char *remember(struct cgroup_names *names, uint64_t id, const char *path,
			    uint64_t now_ns)
{
	struct entry *entry = find_slot(names->entries, names->slots, id);
	char *copy = NULL;

	if (path && !(copy = strdup(path)))
		return NULL;
	if (!entry->id) {
		if (names->count >= CGROUP_MAX ||
		    (2 * names->count >= names->slots && !grow(names))) {
			free(copy);
			return NULL;
		}
		entry = find_slot(names->entries, names->slots, id);
		names->count++;
	}
	entry->id = id;
	entry->seen_ns = now_ns;
	if (copy) {
		free(entry->path);
		entry->path = copy;
	}
	return entry->path;
}

static void forget_all(struct cgroup_names *names)
{
	for (size_t i = 0; i < names->slots; i++)
		free(names->entries[i].path);
	memset(names->entries, 0, names->slots * sizeof(*names->entries));
	names->count = 0;
}

/*
 * Remembers the directory @fd, whose path is the first @len bytes of @path, and all below it.
 * Closes @fd. The tree may change during the walk: what vanishes is left out.
 */
static void walk(struct cgroup_names *names, int fd, char *path, size_t len, uint64_t now_ns)
{
	DIR *dir = fdopendir(fd);
	struct dirent *child;
	struct stat st;

	if (!dir) {
		close(fd);
		return;
	}
	path[len] = '\0';
	if (!fstat(fd, &st))
		remember(names, st.st_ino, len ? path : "/", now_ns);
	while ((child = readdir(dir))) {
		size_t name_len = strlen(child->d_name);
		int child_fd;

		if (child->d_type != DT_DIR || !strcmp(child->d_name, ".") ||
		    !strcmp(child->d_name, "..") || len + 1 + name_len >= PATH_MAX)
			continue;
		child_fd = openat(fd, child->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (child_fd < 0)
			continue;
		path[len] = '/';
		memcpy(path + len + 1, child->d_name, name_len);
		walk(names, child_fd, path, len + 1 + name_len, now_ns);
	}
	closedir(dir);
}

static void walk_all(struct cgroup_names *names, uint64_t now_ns)
{
	int fd = openat(names->mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX];

	names->walked_ns = now_ns;
	if (names->count >= CGROUP_MAX)
		forget_all(names);
	if (fd >= 0)
		walk(names, fd, path, 0, now_ns);
}

/*
 * Finds the path, below the mount, of the cgroup that is open as @fd. Returns false if it has none.
 */
static bool path_of_fd(const struct cgroup_names *names, int fd, char path[PATH_MAX])
{
	char link[sizeof("/proc/self/fd/") + 11];
	char full[2 * PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, full, sizeof(full) - 1);
	if (len < (ssize_t)names->mount_len || len - names->mount_len >= PATH_MAX)
		return false;
	full[len] = '\0';
	if (memcmp(full, names->mount, names->mount_len))
		return false;
	strcpy(path, full[names->mount_len] ? full + names->mount_len : "/");
	return path[0] == '/';
}

/*
 * Asks the kernel for the path. Returns 0, or -errno: -ESTALE if there is no such cgroup any more.
 */
static int path_by_handle(const struct cgroup_names *names, uint64_t id, char path[PATH_MAX])
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} u = { .handle = { .handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS } };
	bool found;
	int fd;

	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(names->mount_fd, &u.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	found = path_of_fd(names, fd, path);
	close(fd);
	return found ? 0 : -ENOENT;
}

/*
 * Returns true if it is time to look again. Rows may come a little out of order, so only the
 * distance counts, and not the direction.
 */
static bool is_due(uint64_t last_ns, uint64_t now_ns)
{
	return (now_ns > last_ns ? now_ns - last_ns : last_ns - now_ns) >= RETRY_NS;
}

static const char *look_up(struct cgroup_names *names, uint64_t id, uint64_t now_ns)
{
	char path[PATH_MAX];
	int err;

	if (names->count >= CGROUP_MAX && is_due(names->walked_ns, now_ns))
		walk_all(names, now_ns);
	if (names->handles) {
		err = path_by_handle(names, id, path);
		if (!err)
			return remember(names, id, path, now_ns);
		names->handles = err != -EPERM;
	}
	if (!names->handles && is_due(names->walked_ns, now_ns))
		walk_all(names, now_ns);
	return remember(names, id, NULL, now_ns);
}

const char *cgroup_names_path(struct cgroup_names *names, uint64_t id, uint64_t now_ns)
{
	const struct entry *entry;

	if (!names || !id)
		return NULL;
	entry = find_slot(names->entries, names->slots, id);
	if (entry->id && (entry->path || !is_due(entry->seen_ns, now_ns)))
		return entry->path;
	return look_up(names, id, now_ns);
}

static int open_mount(struct cgroup_names *names, const char *root)
{
	char point[PATH_MAX];
	struct statfs fs;
	int err;

	err = procfs_cgroup2_mount(root, point, sizeof(point));
	if (err)
		return err;
	names->mount_len = snprintf(names->mount, sizeof(names->mount), "%s%s", root, point);
	if (names->mount_len >= sizeof(names->mount))
		return -ENAMETOOLONG;
	names->mount_fd = open(names->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (names->mount_fd < 0)
		return -errno;
	names->handles = !fstatfs(names->mount_fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
	return 0;
}

struct cgroup_names *cgroup_names_new(const char *root)
{
	struct cgroup_names *names = calloc(1, sizeof(*names));
	int err;

	if (!names)
		return NULL;
	names->mount_fd = -1;
	names->slots = 256;
	names->entries = calloc(names->slots, sizeof(*names->entries));
	err = names->entries ? open_mount(names, root) : -ENOMEM;
	if (err)
		goto out;
	walk_all(names, 0);
	return names;
out:
	cgroup_names_free(names);
	errno = -err;
	return NULL;
}

void cgroup_names_free(struct cgroup_names *names)
{
	if (!names)
		return;
	if (names->entries)
		forget_all(names);
	free(names->entries);
	if (names->mount_fd >= 0)
		close(names->mount_fd);
	free(names);
}
