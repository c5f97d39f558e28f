// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compare.h"
#include "host/netns_names.h"
#include "host/procfs_net.h"

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
	int mounts;	   /* /proc/self/mountinfo; its poll() tells that something was mounted */
	uint64_t looked_ns;
	char *root;
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

/* What is read anew. */
struct reading {
	const struct netns_names *known;
	struct list names;
	uint64_t now_ns;
};

/* Returns since when @name is known to be this namespace's. */
static uint64_t since(const struct reading *reading, const char *name, uint32_t inode)
{
	const struct named *before = find(&reading->known->names, inode);

	if (before)
		return strcmp(before->name, name) ? reading->now_ns : before->since_ns;
	return reading->known->looked_ns;
}

static void add(void *context, const char *name, uint32_t inode)
{
	struct reading *reading = context;
	struct list *names = &reading->names;

	if (names->count == NETNS_NAMES_MAX)
		return;
	/* The room is used up whenever the count is 0 or a power of two. */
	if (!(names->count & (names->count - 1))) {
		struct named *list = reallocarray(names->list, 2 * names->count + 1, sizeof(*list));

		if (!list)
			return;
		names->list = list;
	}
	names->list[names->count] = (struct named){ inode, since(reading, name, inode),
						    strdup(name) };
	names->count += names->list[names->count].name != NULL;
}

static void read_names(struct netns_names *n, uint64_t now_ns)
{
	struct reading reading = { .known = n, .now_ns = now_ns };
	struct list *names = &reading.names;

	procfs_each_netns_name(n->root, add, &reading);
	if (names->count)
		qsort(names->list, names->count, sizeof(*names->list), compare_inodes);
	forget(&n->names);
	n->names = *names;
}

/*
 * Reads the names again if something was mounted or unmounted since the last call (mounts_poll() in
 * the kernel).
 */
static void look(struct netns_names *n)
{
	struct pollfd changed = { .fd = n->mounts, .events = POLLPRI };
	uint64_t now_ns = clock_now_ns();

	if (poll(&changed, 1, 0) > 0 && changed.revents & POLLPRI)
		read_names(n, now_ns);
	n->looked_ns = now_ns;
}

struct netns_names *netns_names_new(const char *root)
{
	struct netns_names *n = calloc(1, sizeof(*n));
	char path[PATH_MAX];

	if (!n)
		return NULL;
	n->root = strdup(root);
	if (!n->root) {
		free(n);
		return NULL;
	}
	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	n->mounts = open(path, O_RDONLY | O_CLOEXEC);
	read_names(n, 0);
	n->looked_ns = clock_now_ns();
	return n;
}

void netns_names_free(struct netns_names *n)
{
	if (!n)
		return;
	forget(&n->names);
	if (n->mounts >= 0)
		close(n->mounts);
	free(n->root);
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
