// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/netns_walk.h"
#include "host/procfs_net.h"

/* Twice as many as can be taken: a free one is never far. */
#define NETNS_WALK_SLOTS (2 * NETNS_WALK_MAX)

struct walk {
	netns_walk_visit *visit;
	void *context;
	uint32_t only;
	int own; /* the way back */
	int err;
	unsigned int closed;
	unsigned int count;
	uint32_t inodes[NETNS_WALK_SLOTS]; /* those that were met, by hash; 0: free */
};

/* Returns whether it was not met before. */
static bool is_new(struct walk *walk, uint32_t inode)
{
	uint32_t *slot;

	for (unsigned int i = inode;; i++) {
		slot = &walk->inodes[i % NETNS_WALK_SLOTS];
		if (*slot == inode)
			return false;
		if (!*slot)
			break;
	}
	if (walk->count == NETNS_WALK_MAX)
		return false;
	*slot = inode;
	walk->count++;
	return true;
}

static int visit_inside(struct walk *walk, const struct netns_place *place, int fd)
{
	int err;

	if (place->own)
		return walk->visit(walk->context, place);
	if (setns(fd, CLONE_NEWNET)) {
		walk->closed++;
		return 0;
	}
	err = walk->visit(walk->context, place);
	/* To stay would be to report one namespace as another. */
	if (setns(walk->own, CLONE_NEWNET))
		err = -errno;
	return err;
}

static bool meet(void *context, const char *name, int fd)
{
	struct walk *walk = context;
	struct netns_place place = { .name = name };
	struct stat st;

	/* A name may be left of one that is gone, or is mounted elsewhere: a plain file. */
	if (fstat(fd, &st) || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return true;
	place.inode = st.st_ino;
	/* procfs_each_netns() begins with the caller's. */
	place.own = !walk->count;
	if (!place.own && walk->only && walk->only != place.inode)
		return true;
	if (!is_new(walk, place.inode))
		return true;
	if (place.own)
		walk->own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (walk->own < 0)
		walk->err = -errno;
	else if (!walk->only || walk->only == place.inode)
		walk->err = visit_inside(walk, &place, fd);
	return !walk->err && walk->only != place.inode;
}

int netns_walk(uint32_t only, netns_walk_visit *visit, void *context, unsigned int *closed)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int err;

	if (!walk)
		return -ENOMEM;
	walk->visit = visit;
	walk->context = context;
	walk->only = only;
	walk->own = -1;
	procfs_each_netns("", meet, walk);
	if (walk->own >= 0)
		close(walk->own);
	*closed = walk->closed;
	err = walk->err;
	free(walk);
	return err;
}
