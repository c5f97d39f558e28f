// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/perf_map.h"
#include "host/untrusted.h"

/* What is read at a time. A longer line is cut in two, and its second part makes no sense. */
#define PIECE_BYTES 65536

/* Returns how many digits a number has, or 0 if it is none or has more than 64 bits. */
static size_t read_hex(const char *p, size_t len, uint64_t *v)
{
	size_t i = 0;

	*v = 0;
	if (len > 2 && p[0] == '0' && p[1] == 'x')
		i = 2;
	for (; i < len; i++) {
		char c = p[i] | 0x20;
		unsigned int digit;

		if (p[i] >= '0' && p[i] <= '9')
			digit = p[i] - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else
			break;
		if (*v >> 60)
			return 0;
		*v = *v << 4 | digit;
	}
	return i;
}

bool perf_map_line(const char *line, size_t len, uint64_t address, char *name, size_t size,
		   uint64_t *into)
{
	uint64_t start, bytes;
	size_t used = read_hex(line, len, &start), more;

	if (!used || used >= len || line[used++] != ' ')
		return false;
	more = read_hex(line + used, len - used, &bytes);
	used += more;
	if (!more || used >= len || line[used++] != ' ')
		return false;
	if (address < start || address - start >= bytes || used == len)
		return false;
	len = len - used < size - 1 ? len - used : size - 1;
	memcpy(name, line + used, len);
	name[len] = 0;
	*into = address - start;
	return true;
}

/* Returns how many bytes the whole lines have. */
static size_t take_lines(const char *piece, size_t len, uint64_t address, char *name, size_t size,
			 uint64_t *into)
{
	size_t used = 0;
	const char *end;

	while ((end = memchr(piece + used, '\n', len - used))) {
		perf_map_line(piece + used, end - piece - used, address, name, size, into);
		used = end - piece + 1;
	}
	return used;
}

int perf_map_find(int fd, uint64_t address, char *name, size_t size, uint64_t *into)
{
	off_t at = 0;
	size_t rest = 0;
	ssize_t len;
	char *piece;
	int err = 0;

	*name = 0;
	piece = malloc(PIECE_BYTES);
	if (!piece)
		return -ENOMEM;
	while ((len = pread(fd, piece + rest, PIECE_BYTES - rest, at)) > 0) {
		size_t used;

		at += len;
		if (at > PERF_MAP_BYTES) {
			err = -E2BIG;
			break;
		}
		rest += len;
		used = take_lines(piece, rest, address, name, size, into);
		if (!used && rest == PIECE_BYTES)
			used = rest;
		rest -= used;
		memmove(piece, piece + used, rest);
	}
	if (len < 0)
		err = -errno;
	if (err)
		*name = 0;
	free(piece);
	return err;
}

/*
 * Finds the effective user in `Uid:` of the status, and the innermost process number in `NSpid:`.
 */
static int read_status(const char *root, uint32_t pid, uid_t *uid, uint32_t *inner)
{
	char path[PATH_MAX], line[512];
	bool found = false;
	FILE *file;

	*inner = pid;
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/status", root, pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		const char *last = strrchr(line, '\t');

		if (sscanf(line, "Uid:\t%*u\t%u", uid) == 1)
			found = true;
		else if (!strncmp(line, "NSpid:", 6) && last)
			sscanf(last, "%" SCNu32, inner);
	}
	fclose(file);
	return found ? 0 : -ESRCH;
}

/*
 * Opens the file without following a link in any part of the path. The process makes that path, and
 * a link would be followed from here.
 */
static int open_below(const char *root, uint32_t pid, uint32_t inner)
{
	char path[PATH_MAX];
	int top, tmp, fd;

	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/root", root, pid);
	top = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return -errno;
	tmp = openat(top, "tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = tmp < 0 ? -errno : 0;
	close(top);
	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "perf-%" PRIu32 ".map", inner);
	fd = untrusted_open_in(tmp, path);
	close(tmp);
	return fd;
}

int perf_map_open(const char *root, uint32_t pid, uint32_t *inner)
{
	struct stat st;
	uid_t uid;
	int fd, err;

	err = read_status(root, pid, &uid, inner);
	if (err)
		return err;
	fd = open_below(root, pid, *inner);
	if (fd < 0 || (!fstat(fd, &st) && st.st_uid == uid))
		return fd;
	close(fd);
	return -EPERM;
}
