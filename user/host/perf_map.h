/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * /tmp/perf-PID.map: the names of code that a process has made itself, in lines `start size name`,
 * hexadecimal (tools/perf/Documentation/jit-interface.txt of the kernel). What comes later in the
 * file is what is there now. Whoever runs the process writes it: nothing in it is believed.
 */
#ifndef TCPDWELL_PERF_MAP_H
#define TCPDWELL_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A Java program's has some megabytes. */
#define PERF_MAP_BYTES (16LL << 20)

/*
 * Takes one line, without its end. Returns whether @address is in it, with @name and @into filled,
 * the name cut to @size bytes with its NUL. Pure.
 */
bool perf_map_line(const char *line, size_t len, uint64_t address, char *name, size_t size,
		   uint64_t *into);

/*
 * Looks through all of the file. Returns 0, whether found or not (@name is empty then), or -errno:
 * -E2BIG for one that is larger than PERF_MAP_BYTES. Any thread.
 */
int perf_map_find(int fd, uint64_t address, char *name, size_t size, uint64_t *into);

/*
 * Opens the map of a process, as it is named in the process's own PID and mount namespace: a
 * regular file, no link, of the user that the process runs as. Never waits. As in procfs.h, @root
 * stands for `/`. @inner gets the number in the file's name. Returns a descriptor or -errno: -EPERM
 * if it is another user's.
 */
int perf_map_open(const char *root, uint32_t pid, uint32_t *inner);

#endif /* TCPDWELL_PERF_MAP_H */
