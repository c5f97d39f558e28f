// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/procfs_maps.h"
#include "host/untrusted.h"

/* Parses a line `start-end rwxp offset major:minor inode path`. Returns true if it maps code. */
static bool parse(const char *line, struct procfs_map *map)
{
	unsigned int major, minor;
	char flags[5] = "";
	int path = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &map->start, &map->end, flags, &map->offset, &major, &minor, &map->inode,
		   &path) < 7 ||
	    flags[2] != 'x')
		return false;
	map->device = makedev(major, minor);
	map->path = strndup(line + path, strcspn(line + path, "\n"));
	return true;
}

static int add(struct procfs_maps *maps, size_t *room, const struct procfs_map *map)
{
	if (!map->path)
		return -ENOMEM;
	if (maps->count == *room) {
		size_t more = *room ? *room * 2 : 32;
		void *p = realloc(maps->list, more * sizeof(*maps->list));

		if (!p)
			return -ENOMEM;
		maps->list = p;
		*room = more;
	}
	maps->list[maps->count++] = *map;
	return 0;
}

int procfs_maps_take(struct procfs_maps *maps, int fd)
{
	FILE *file = fdopen(fd, "r");
	size_t size = 0, room = 0;
	char *line = NULL;
	int err = 0;

	*maps = (struct procfs_maps){ 0 };
	if (!file) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && !maps->more && getline(&line, &size, file) > 0) {
		struct procfs_map map;

		if (!parse(line, &map))
			continue;
		if (maps->count == PROCFS_MAPS_MAX) {
			maps->more = true;
			free(map.path);
			continue;
		}
		err = add(maps, &room, &map);
		if (err)
			free(map.path);
	}
	free(line);
	fclose(file);
	return err;
}

int procfs_maps_open(const char *root, uint32_t pid)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/maps", root, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int procfs_maps_read(struct procfs_maps *maps, const char *root, uint32_t pid)
{
	int fd = procfs_maps_open(root, pid);

	*maps = (struct procfs_maps){ 0 };
	return fd < 0 ? fd : procfs_maps_take(maps, fd);
}

void procfs_maps_free(struct procfs_maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		free(maps->list[i].path);
	free(maps->list);
	*maps = (struct procfs_maps){ 0 };
}

const struct procfs_map *procfs_maps_find(const struct procfs_maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct procfs_map *map = &maps->list[middle];

		if (address < map->start)
			high = middle;
		else if (address >= map->end)
			low = middle + 1;
		else
			return map;
	}
	return NULL;
}

int procfs_map_open(const char *root, uint32_t pid, const struct procfs_map *map)
{
	char path[PATH_MAX];
	int fd;

	if (!map->inode)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64, root,
		 pid, map->start, map->end);
	fd = untrusted_open_file(path, map->inode);
	if (fd >= 0 || fd == -EWOULDBLOCK || fd == -EMFILE || fd == -ENFILE)
		return fd;
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/root%s", root, pid, map->path);
	return untrusted_open_file(path, map->inode);
}
