/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The code that a process maps, and the files that it comes from. As in procfs.h, @root stands for
 * `/`, "" for the real one. Any thread.
 */
#ifndef TCPDWELL_PROCFS_MAPS_H
#define TCPDWELL_PROCFS_MAPS_H

#include <stddef.h>
#include <stdint.h>

/* Executable mappings of one process; a large one has some hundred. */
#define PROCFS_MAPS_MAX 4096

struct procfs_map {
	uint64_t start;
	uint64_t end;	 /* one past the last */
	uint64_t offset; /* in the file */
	uint64_t device;
	uint64_t inode; /* 0: no file */
	char *path;	/* as the process sees it; [vdso] and the like; "" for none */
};

struct procfs_maps {
	struct procfs_map *list; /* ascending */
	size_t count;
};

/* /proc/PID/maps, or -errno. */
int procfs_maps_open(const char *root, uint32_t pid);

/*
 * Reads the file that is open as @fd, and closes it. Returns 0 or -errno. To be freed in any case,
 * after which it may be freed again.
 */
int procfs_maps_take(struct procfs_maps *maps, int fd);

/* Both, with as much to free. */
int procfs_maps_read(struct procfs_maps *maps, const char *root, uint32_t pid);
void procfs_maps_free(struct procfs_maps *maps);

/* The mapping of an address, or NULL. */
const struct procfs_map *procfs_maps_find(const struct procfs_maps *maps, uint64_t address);

/*
 * Opens the file behind a mapping, whatever mount namespace it is in and, with CAP_SYS_ADMIN, also
 * if it is deleted. Only a regular file is opened, and none is waited for. Returns a descriptor or
 * -errno: -EWOULDBLOCK while another process holds a lease on the file.
 */
int procfs_map_open(const char *root, uint32_t pid, const struct procfs_map *map);

#endif /* TCPDWELL_PROCFS_MAPS_H */
