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

/* Enough for /proc/PID/limits, which has 17 lines of 80 bytes. */
#define FILE_BYTES 4096

static void path_of(char path[PATH_MAX], const char *root, uint32_t pid, const char *name)
{
	snprintf(path, PATH_MAX, "%s/proc/%" PRIu32 "/%s", root, pid, name);
}

/*
 * Reads the beginning of a file, and ends it by a NUL. Returns its length, or 0 if it cannot be
 * read.
 */
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

#define CUT_MARK "…"

/*
 * Reads the command line. In the file a NUL ends each word. If it is longer than the room, its last
 * bytes become a mark, and a character of several bytes there goes as a whole.
 */
static void read_command(const char *root, uint32_t pid, char *command, size_t size)
{
	size_t len = read_file(root, pid, "cmdline", command, size);
	bool cut = len == size - 1;

	while (!cut && len && !command[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (!command[i])
			command[i] = ' ';
	if (!cut)
		return;
	len = size - sizeof(CUT_MARK);
	while (len && (command[len] & 0xc0) == 0x80)
		len--;
	strcpy(command + len, CUT_MARK);
}

/* Reads the cgroup. The line of the version 2 hierarchy is 0::/path. */
static void read_cgroup(const char *root, uint32_t pid, struct procfs_process *process)
{
	char buffer[FILE_BYTES], *line, *save;

	read_file(root, pid, "cgroup", buffer, sizeof(buffer));
	container_of_text(&process->container, buffer);
	for (line = strtok_r(buffer, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, "0::", 3))
			snprintf(process->cgroup, sizeof(process->cgroup), "%s", line + 3);
}

/* Returns the number that stands behind @label, or 0 if there is none. */
static uint64_t number_behind(const char *text, const char *label)
{
	const char *at = strstr(text, label);
	uint64_t number;

	return at && sscanf(at + strlen(label), "%" SCNu64, &number) == 1 ? number : 0;
}

/* Reads the soft limit, which is the one that open() meets. The second number is the hard limit. */
static uint64_t read_fd_limit(const char *root, uint32_t pid)
{
	char buffer[FILE_BYTES];

	read_file(root, pid, "limits", buffer, sizeof(buffer));
	return number_behind(buffer, "Max open files");
}

/* Since 6.2 the size of the directory is the number of descriptors. Otherwise they are counted. */
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

/* A program makes its io_uring before it opens more files than these. */
#define RING_FDS 64

/* Returns true if one of the first descriptors is an io_uring. */
static bool has_ring(const char *root, uint32_t pid)
{
	static const char ring[] = "anon_inode:[io_uring]";
	char path[PATH_MAX], target[sizeof(ring)];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	path_of(path, root, pid, "fd");
	dir = opendir(path);
	if (!dir)
		return false;
	for (int i = 0; i < RING_FDS && !found; i++) {
		ssize_t len;

		entry = readdir(dir);
		if (!entry)
			break;
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target));
		found = len == sizeof(ring) - 1 && !memcmp(target, ring, len);
	}
	closedir(dir);
	return found;
}

/* What /proc/TID/status says; 0 or NUL is what is not known. */
struct status {
	char state;
	uint32_t pid;
	uint32_t threads;
};

static struct status read_status(const char *root, uint32_t tid)
{
	struct status status = { 0 };
	char buffer[FILE_BYTES];
	const char *state;

	read_file(root, tid, "status", buffer, sizeof(buffer));
	/*
	 * No line before these can have a newline in it, because Name, which is the first one, is
	 * escaped.
	 */
	state = strstr(buffer, "\nState:");
	if (state)
		sscanf(state, "\nState: %c", &status.state);
	status.pid = number_behind(buffer, "\nTgid:");
	status.threads = number_behind(buffer, "\nThreads:");
	return status;
}

bool procfs_process_read_rest(const char *root, uint32_t pid, const char *comm,
			      struct procfs_process *process)
{
	struct status status;

	memset(process, 0, sizeof(*process));
	if (!pid || !is_named(root, pid, comm))
		return false;
	read_cgroup(root, pid, process);
	process->fd_limit = read_fd_limit(root, pid);
	process->fds = count_fds(root, pid);
	process->ring = has_ring(root, pid);
	status = read_status(root, pid);
	process->state = status.state;
	process->threads = status.threads;
	procfs_call_read(root, pid, process->call);
	return true;
}

void procfs_process_read(const char *root, uint32_t pid, const char *comm,
			 struct procfs_process *process)
{
	if (procfs_process_read_rest(root, pid, comm, process))
		read_command(root, pid, process->command, sizeof(process->command));
}

uint32_t procfs_process_of_thread(const char *root, uint32_t tid, char *state)
{
	struct status status = read_status(root, tid);

	*state = status.state;
	return status.pid;
}

bool procfs_process_is(const char *root, uint32_t pid, const char *comm)
{
	struct status status;

	if (!is_named(root, pid, comm))
		return false;
	status = read_status(root, pid);
	return status.pid == pid && status.state != 'Z' && status.state != 'X';
}
