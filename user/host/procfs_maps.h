/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads which code a process maps, and the files that it comes from. As in procfs.h, @root stands
 * for `/`, "" for the real one. Any thread.
 */
#ifndef TCPDWELL_PROCFS_MAPS_H
#define TCPDWELL_PROCFS_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most executable mappings of one process. A large process has some hundred. */
#define PROCFS_MAPS_MAX 4096

struct procfs_map {
	uint64_t start;
	uint64_t end;	 /* one past the last */
	uint64_t offset; /* in the file */
	uint64_t device;
	uint64_t inode; /* 0: no file */
	char *path;	/* as the process sees it; [vdso] and the like; "" if there is none */
};

struct procfs_maps {
	struct procfs_map *list; /* in ascending order */
	size_t count;
	bool more; /* than PROCFS_MAPS_MAX, the last of which are left out */
};

/* Opens /proc/PID/maps. Returns a descriptor or -errno. */
int procfs_maps_open(const char *root, uint32_t pid);

/*
 * Reads the file that is open as @fd, and closes it. Returns 0 or -errno. @maps must be freed in
 * either case, and may be freed again after that.
 */
int procfs_maps_take(struct procfs_maps *maps, int fd);

/* Opens and reads the file. @maps must be freed in either case, too. */
int procfs_maps_read(struct procfs_maps *maps, const char *root, uint32_t pid);
void procfs_maps_free(struct procfs_maps *maps);

/* Returns the mapping that has an address, or NULL. */
const struct procfs_map *procfs_maps_find(const struct procfs_maps *maps, uint64_t address);

/*
 * Opens the file behind a mapping, in whatever mount namespace it is. With CAP_SYS_ADMIN it works
 * also if the file is deleted. Only a regular file is opened, and the call does not wait. Returns a
 * descriptor or -errno: -EWOULDBLOCK while another process holds a lease on the file.
 */
int procfs_map_open(const char *root, uint32_t pid, const struct procfs_map *map);

#endif /* TCPDWELL_PROCFS_MAPS_H */
