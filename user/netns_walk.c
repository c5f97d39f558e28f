// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netns_walk.h"
#include "procfs_net.h"

struct walk {
	netns_walk_visit *visit;
	void *context;
	uint32_t only;
	int own; /* the way back */
	int err;
	unsigned int closed;
	unsigned int count;
	uint32_t inodes[NETNS_WALK_MAX]; /* those that were met */
};

static bool is_known(const struct walk *walk, uint32_t inode)
{
	for (unsigned int i = 0; i < walk->count; i++)
		if (walk->inodes[i] == inode)
			return true;
	return false;
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

	if (fstat(fd, &st))
		return true;
	place.inode = st.st_ino;
	if (is_known(walk, place.inode))
		return true;
	if (walk->count == NETNS_WALK_MAX) {
		walk->closed++;
		return true;
	}
	/* procfs_each_netns() begins with the caller's. */
	place.own = !walk->count;
	if (place.own)
		walk->own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	walk->inodes[walk->count++] = place.inode;
	if (walk->own < 0)
		walk->err = -errno;
	else if (!walk->only || walk->only == place.inode)
		walk->err = visit_inside(walk, &place, fd);
	return !walk->err && walk->only != place.inode;
}

int netns_walk(uint32_t only, netns_walk_visit *visit, void *context, unsigned int *closed)
{
	struct walk walk = { .visit = visit, .context = context, .only = only, .own = -1 };

	procfs_each_netns("", meet, &walk);
	if (walk.own >= 0)
		close(walk.own);
	*closed = walk.closed;
	return walk.err;
}
