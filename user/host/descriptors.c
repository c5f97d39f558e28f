// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compare.h"
#include "host/descriptors.h"

#define ROOM_MIN 64

struct holder {
	uint32_t pid;
	char comm[TCPDWELL_COMM_LEN];
};

struct descriptors {
	struct descriptor *list; /* sorted by inode, process and number */
	size_t count;
	size_t room;
	struct holder *holders;
	size_t holder_count;
	size_t holder_room;
};

/*
 * ---- The walk -----------------------------------------------------------------------------------
 */

struct walk {
	descriptors_visit *visit;
	void *context;
	unsigned int closed;
};

static void read_comm(int process, char comm[TCPDWELL_COMM_LEN])
{
	int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	ssize_t len = -1;

	if (fd >= 0) {
		len = read(fd, comm, TCPDWELL_COMM_LEN);
		close(fd);
	}
	if (len > 0 && comm[len - 1] == '\n')
		len--;
	len = len < 0 ? 0 : len < TCPDWELL_COMM_LEN ? len : TCPDWELL_COMM_LEN - 1;
	memset(comm + len, 0, TCPDWELL_COMM_LEN - len);
}

uint32_t descriptors_fixed_file(const char *line, bool *files)
{
	static const char head[] = "UserFiles:";
	uint32_t inode;

	if (!strncmp(line, head, sizeof(head) - 1))
		*files = true;
	else if (!*files || sscanf(line, " %*u: socket:[%" SCNu32 "]", &inode) != 1)
		*files = *files && *line == ' ';
	else
		return inode;
	return 0;
}

/* Visits the sockets among the fixed files of the io_uring that @holder's descriptor leads to. */
static int visit_ring(const struct walk *walk, int process, struct descriptor_holder *holder)
{
	bool files = false, whole = true;
	char path[32], line[256];
	FILE *info = NULL;
	int fd, err = 0;

	snprintf(path, sizeof(path), "fdinfo/%u", holder->fd);
	fd = openat(process, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		info = fdopen(fd, "r");
	if (!info) {
		if (fd >= 0)
			close(fd);
		return 0; /* it was closed meanwhile */
	}
	holder->fd = TCPDWELL_NO_FD;
	while (!err && fgets(line, sizeof(line), info)) {
		holder->inode = whole ? descriptors_fixed_file(line, &files) : 0;
		whole = strchr(line, '\n');
		if (holder->inode)
			err = walk->visit(walk->context, holder);
	}
	fclose(info);
	return err;
}

/* Visits what the descriptor @name leads to, if it is a socket or an io_uring. */
static int visit(const struct walk *walk, int process, int folder, const char *name,
		 struct descriptor_holder *holder)
{
	char link[64];
	ssize_t len = readlinkat(folder, name, link, sizeof(link) - 1);

	/* A descriptor that was closed meanwhile does not hold a socket. */
	if (len < 0)
		return 0;
	link[len] = '\0';
	holder->fd = strtoul(name, NULL, 10);
	if (!strcmp(link, "anon_inode:[io_uring]"))
		return visit_ring(walk, process, holder);
	if (sscanf(link, "socket:[%" SCNu32 "]", &holder->inode) != 1 || !holder->inode)
		return 0;
	return walk->visit(walk->context, holder);
}

/*
 * Visits the descriptors in the folder @fds of a process, whose folder is @process. Returns how
 * many there are, or -errno. Closes @fds.
 */
static int visit_all(const struct walk *walk, int process, int fds, uint32_t pid)
{
	struct descriptor_holder holder = { .pid = pid };
	DIR *dir = fdopendir(fds);
	struct dirent *entry;
	int err = 0, count = 0;

	if (!dir) {
		/* A process that ended meanwhile holds nothing; the kernel may say so here. */
		err = errno == ENOENT || errno == ESRCH ? 0 : -errno;
		close(fds);
		return err;
	}
	read_comm(process, holder.comm);
	while (!err && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0])) {
			err = visit(walk, process, dirfd(dir), entry->d_name, &holder);
			count++;
		}
	closedir(dir);
	return err ?: count;
}

/*
 * Visits the descriptors of a process whose first thread has none: if it has ended, other threads
 * still have the table of the process.
 */
static int visit_thread(const struct walk *walk, int process, uint32_t pid)
{
	int tasks = openat(process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fds, found = 0;
	DIR *dir = tasks < 0 ? NULL : fdopendir(tasks);
	struct dirent *entry;
	char path[32];

	if (!dir) {
		if (tasks >= 0)
			close(tasks);
		return 0; /* the process has ended, too */
	}
	while (!found && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "%.16s/fd", entry->d_name);
		fds = openat(dirfd(dir), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fds >= 0)
			found = visit_all(walk, process, fds, pid);
	}
	closedir(dir);
	return found;
}

static int visit_process(struct walk *walk, int proc, const char *name)
{
	int process = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC), fds, found = 0;
	uint32_t pid = strtoul(name, NULL, 10);

	if (process < 0)
		return 0; /* it has ended */
	fds = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fds >= 0)
		found = visit_all(walk, process, fds, pid) ?: visit_thread(walk, process, pid);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		found = -errno;
	else if (errno == EACCES || errno == EPERM)
		walk->closed++;
	close(process);
	return found < 0 ? found : 0;
}

int descriptors_each(const char *root, descriptors_visit *visit, void *context,
		     unsigned int *closed)
{
	struct walk walk = { .visit = visit, .context = context };
	char path[PATH_MAX];
	struct dirent *entry;
	int err = 0;
	DIR *dir;

	*closed = 0;
	snprintf(path, sizeof(path), "%s/proc", root);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			err = visit_process(&walk, dirfd(dir), entry->d_name);
	closedir(dir);
	*closed = walk.closed;
	return err;
}

/*
 * ---- The list -----------------------------------------------------------------------------------
 */

/* Makes room for one more element after @count. Returns 0 or -errno. */
static int grow(void **array, size_t *room, size_t count, size_t size)
{
	size_t more = *room ? *room * 2 : ROOM_MIN;
	void *p;

	if (count < *room)
		return 0;
	p = reallocarray(*array, more, size);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = more;
	return 0;
}

static int add_holder(struct descriptors *d, const struct descriptor_holder *holder)
{
	struct holder *last = d->holder_count ? &d->holders[d->holder_count - 1] : NULL;
	int err;

	if (last && last->pid == holder->pid && !strcmp(last->comm, holder->comm))
		return 0;
	err = grow((void **)&d->holders, &d->holder_room, d->holder_count, sizeof(*d->holders));
	if (err)
		return err;
	last = &d->holders[d->holder_count++];
	last->pid = holder->pid;
	memcpy(last->comm, holder->comm, sizeof(last->comm));
	return 0;
}

int descriptors_add(void *descriptors, const struct descriptor_holder *holder)
{
	struct descriptors *d = descriptors;
	int err = add_holder(d, holder);

	err = err ?: grow((void **)&d->list, &d->room, d->count, sizeof(*d->list));
	if (err)
		return err;
	d->list[d->count++] = (struct descriptor){
		.inode = holder->inode,
		.pid = holder->pid,
		.fd = holder->fd,
		.holder = d->holder_count - 1,
	};
	return 0;
}

static int compare_descriptors(const void *left, const void *right)
{
	const struct descriptor *a = left, *b = right;

	return compare(a->inode, b->inode) ?: compare(a->pid, b->pid) ?: compare(a->fd, b->fd);
}

void descriptors_done(struct descriptors *d)
{
	if (d->count)
		qsort(d->list, d->count, sizeof(*d->list), compare_descriptors);
}

struct descriptors *descriptors_empty(void)
{
	return calloc(1, sizeof(struct descriptors));
}

struct descriptors *descriptors_new(const char *root, unsigned int *closed)
{
	struct descriptors *d = descriptors_empty();
	int err;

	*closed = 0;
	if (!d)
		return NULL;
	err = descriptors_each(root, descriptors_add, d, closed);
	if (err) {
		descriptors_free(d);
		errno = -err;
		return NULL;
	}
	descriptors_done(d);
	return d;
}

void descriptors_free(struct descriptors *d)
{
	if (!d)
		return;
	free(d->list);
	free(d->holders);
	free(d);
}

static uint64_t inode_of(const void *item)
{
	return ((const struct descriptor *)item)->inode;
}

const struct descriptor *descriptors_find(const struct descriptors *d, uint32_t inode,
					  size_t *count)
{
	size_t first = count_below(d->list, d->count, sizeof(*d->list), inode_of, inode);
	size_t end = first;

	while (end < d->count && d->list[end].inode == inode)
		end++;
	*count = end - first;
	return *count ? &d->list[first] : NULL;
}

const char *descriptors_comm(const struct descriptors *d, const struct descriptor *descriptor)
{
	return d->holders[descriptor->holder].comm;
}
