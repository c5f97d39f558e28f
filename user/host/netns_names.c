// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compare.h"
#include "host/netns_names.h"

/* The time between two readings of a folder that has not changed. */
#define READ_NS 2000000000ULL

/*
 * The same for a folder with files that are no namespaces, or not yet: ip-netns(8) mounts them
 * there.
 */
#define UNSETTLED_NS 20000000ULL

/*
 * Times of files are as coarse as the kernel's tick: a change so soon after another may look the
 * same.
 */
#define COARSE_NS 20000000ULL

struct named {
	uint32_t inode;
	uint64_t since_ns; /* rows from before that may be another namespace's */
	char *name;
};

struct list {
	struct named *list;
	size_t count;
};

struct netns_names {
	struct list names; /* sorted by inode */
	dev_t device;	   /* the device of namespaces' inodes */
	bool read;	   /* the folder was read at least once */
	bool unsettled;
	uint64_t looked_ns, read_ns;
	struct timespec changed; /* modification time of the folder */
	char folder[PATH_MAX];
};

static int compare_inodes(const void *left, const void *right)
{
	const struct named *a = left, *b = right;

	return compare(a->inode, b->inode);
}

static const struct named *find(const struct list *names, uint32_t inode)
{
	const struct named key = { .inode = inode };

	return names->count ?
		       bsearch(&key, names->list, names->count, sizeof(key), compare_inodes) :
		       NULL;
}

static void forget(struct list *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].name);
	free(names->list);
	*names = (struct list){ 0 };
}

/* Returns since when @name is known to be this namespace's. */
static uint64_t since(const struct netns_names *n, uint32_t inode, const char *name,
		      uint64_t now_ns)
{
	const struct named *before = find(&n->names, inode);

	if (before)
		return strcmp(before->name, name) ? now_ns : before->since_ns;
	return n->looked_ns;
}

static bool add(struct list *names, uint32_t inode, const char *name, uint64_t since_ns)
{
	struct named *list = names->list;

	/* The room is used up whenever the count is 0 or a power of two. */
	if (!(names->count & (names->count - 1))) {
		list = reallocarray(list, 2 * names->count + 1, sizeof(*list));
		if (!list)
			return false;
		names->list = list;
	}
	list[names->count] = (struct named){ inode, since_ns, strdup(name) };
	return list[names->count].name && ++names->count < NETNS_NAMES_MAX;
}

static void read_folder(struct netns_names *n, uint64_t now_ns)
{
	struct list names = { 0 };
	DIR *dir = opendir(n->folder);
	struct dirent *entry;
	struct stat st;

	n->unsettled = false;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (st.st_dev != n->device)
			n->unsettled = true;
		else if (!add(&names, st.st_ino, entry->d_name,
			      since(n, st.st_ino, entry->d_name, now_ns)))
			break;
	}
	if (dir)
		closedir(dir);
	if (names.count)
		qsort(names.list, names.count, sizeof(*names.list), compare_inodes);
	forget(&n->names);
	n->names = names;
	n->read_ns = now_ns;
	n->read = true;
}

static uint64_t age_ns(const struct timespec *when)
{
	struct timespec now;
	int64_t ns;

	clock_gettime(CLOCK_REALTIME, &now);
	ns = (now.tv_sec - when->tv_sec) * 1000000000LL + now.tv_nsec - when->tv_nsec;
	return ns < 0 ? 0 : ns;
}

/* Reads the folder again if it has changed, or may have. */
static void look(struct netns_names *n)
{
	uint64_t now_ns = clock_now_ns(), past_ns = now_ns - n->read_ns;
	struct stat st = { 0 };
	bool same;

	stat(n->folder, &st); /* there is no folder before the first name */
	same = n->read && !memcmp(&st.st_mtim, &n->changed, sizeof(st.st_mtim)) &&
	       past_ns < (n->unsettled ? UNSETTLED_NS : READ_NS);
	if (!same) {
		read_folder(n, now_ns);
		n->changed = st.st_mtim;
		if (age_ns(&st.st_mtim) < COARSE_NS)
			n->changed = (struct timespec){ 0 };
	}
	n->looked_ns = now_ns;
}

struct netns_names *netns_names_new(const char *root)
{
	struct netns_names *n = calloc(1, sizeof(*n));
	char own[PATH_MAX];
	struct stat st;

	if (!n)
		return NULL;
	snprintf(own, sizeof(own), "%s/proc/self/ns/net", root);
	if (!stat(own, &st))
		n->device = st.st_dev;
	snprintf(n->folder, sizeof(n->folder), "%s/run/netns", root);
	look(n);
	return n;
}

void netns_names_free(struct netns_names *n)
{
	if (!n)
		return;
	forget(&n->names);
	free(n);
}

const char *netns_names_find(struct netns_names *n, uint32_t inode, uint64_t time_ns)
{
	const struct named *named;

	if (!n || !inode)
		return NULL;
	if (time_ns > n->looked_ns)
		look(n);
	named = find(&n->names, inode);
	return named && time_ns >= named->since_ns ? named->name : NULL;
}
