// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/procfs_process.h"

/* /proc/PID/limits has 17 lines of 80 bytes. */
#define FILE_BYTES 4096

#define CONTAINER_ID_LEN 64

static void path_of(char path[PATH_MAX], const char *root, uint32_t pid, const char *name)
{
	snprintf(path, PATH_MAX, "%s/proc/%" PRIu32 "/%s", root, pid, name);
}

/* The beginning of a file, ended by NUL. Returns its length, 0 if it cannot be read. */
static size_t read_file(const char *root, uint32_t pid, const char *name, char *buffer, size_t size)
{
	char path[PATH_MAX];
	ssize_t len;
	int fd;

	buffer[0] = '\0';
	path_of(path, root, pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, buffer, size - 1);
	close(fd);
	if (len < 0)
		len = 0;
	buffer[len] = '\0';
	return len;
}

static bool is_named(const char *root, uint32_t pid, const char *comm)
{
	char now[64];
	size_t len = read_file(root, pid, "comm", now, sizeof(now));

	if (len && now[len - 1] == '\n')
		now[len - 1] = '\0';
	return len && !strcmp(now, comm);
}

/* Words end with NUL in the file. */
static void read_command(const char *root, uint32_t pid, char *command, size_t size)
{
	size_t len = read_file(root, pid, "cmdline", command, size);

	while (len && !command[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (!command[i])
			command[i] = ' ';
}

/* The line of the version 2 hierarchy is 0::/path. */
static void read_cgroup(const char *root, uint32_t pid, char *cgroup, size_t size)
{
	char buffer[FILE_BYTES], *line, *save;

	cgroup[0] = '\0';
	read_file(root, pid, "cgroup", buffer, sizeof(buffer));
	for (line = strtok_r(buffer, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, "0::", 3))
			snprintf(cgroup, size, "%s", line + 3);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && !strcmp(text + len - end_len, end);
}

/* The innermost part of the path that is a unit, and the one that has a container's id in it. */
static void find_names(struct procfs_process *process)
{
	char path[PROCFS_TEXT_BYTES], *part, *save;

	strcpy(path, process->cgroup);
	for (part = strtok_r(path, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (ends_with(part, ".service") || ends_with(part, ".scope"))
			strcpy(process->unit, part);
		for (const char *p = part; *p; p++) {
			size_t len = strspn(p, "0123456789abcdef");

			if (len == CONTAINER_ID_LEN)
				memcpy(process->container, p, len);
			if (len)
				p += len - 1;
		}
	}
}

/* The second number is the hard limit, which is not the one that open() meets. */
static uint64_t read_fd_limit(const char *root, uint32_t pid)
{
	char buffer[FILE_BYTES];
	const char *line;
	uint64_t limit;

	read_file(root, pid, "limits", buffer, sizeof(buffer));
	line = strstr(buffer, "Max open files");
	return line && sscanf(line, "Max open files %" SCNu64, &limit) == 1 ? limit : 0;
}

/* Since 6.2 the size of the directory is the number of descriptors; else they are counted. */
static uint64_t count_fds(const char *root, uint32_t pid)
{
	char path[PATH_MAX];
	struct dirent *entry;
	uint64_t count = 0;
	struct stat st;
	DIR *dir;

	path_of(path, root, pid, "fd");
	if (!stat(path, &st) && st.st_size > 0 && !*root)
		return st.st_size;
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		count += isdigit((unsigned char)entry->d_name[0]) != 0;
	closedir(dir);
	return count;
}

void procfs_process_read(const char *root, uint32_t pid, const char *comm,
			 struct procfs_process *process)
{
	memset(process, 0, sizeof(*process));
	if (!pid || !is_named(root, pid, comm))
		return;
	read_command(root, pid, process->command, sizeof(process->command));
	read_cgroup(root, pid, process->cgroup, sizeof(process->cgroup));
	find_names(process);
	process->fd_limit = read_fd_limit(root, pid);
	process->fds = count_fds(root, pid);
}
