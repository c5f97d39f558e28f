/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads /tmp/perf-PID.map: names of code that a process has made itself, in lines `start size name`
 * with hexadecimal numbers (tools/perf/Documentation/jit-interface.txt of the kernel). If several
 * lines have an address, the last one holds. Whoever runs the process writes the file, so nothing
 * in it is believed.
 */
#ifndef TCPDWELL_PERF_MAP_H
#define TCPDWELL_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The file of a Java program has some megabytes. */
#define PERF_MAP_BYTES (16LL << 20)

/*
 * Reads one line, without its end. Returns true if @address is in it, and then fills @name and
 * @into. The name is cut to @size bytes with its NUL. Pure.
 */
bool perf_map_line(const char *line, size_t len, uint64_t address, char *name, size_t size,
		   uint64_t *into);

/*
 * Looks through the whole file. Returns 0, also if nothing is found, and @name is empty then.
 * Returns -errno on failure: -E2BIG if the file is larger than PERF_MAP_BYTES. Any thread.
 */
int perf_map_find(int fd, uint64_t address, char *name, size_t size, uint64_t *into);

/*
 * Opens the map of a process, under the name it has in the process's own PID and mount namespace.
 * It must be a regular file, no link, of the user that the process runs as. It never waits. As in
 * procfs.h, @root stands for `/`. @inner gets the process number in the file's name. Returns a
 * descriptor or -errno: -EPERM if the file is another user's.
 */
int perf_map_open(const char *root, uint32_t pid, uint32_t *inner);

#endif /* TCPDWELL_PERF_MAP_H */
