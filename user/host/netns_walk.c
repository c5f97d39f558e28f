// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/notice.h"
#include "host/netns_file.h"
#include "host/netns_walk.h"
#include "host/procfs_net.h"
#include "host/procfs_sockstat.h"
#include "host/sockdiag.h"
#include "host/steward.h"

/* Twice as many slots as can be taken, so a free one is never far. */
#define NETNS_WALK_SLOTS (2 * NETNS_WALK_MAX)

struct walk {
	netns_walk_visit *visit;
	void *context;
	uint32_t only;
	int own; /* the caller's namespace: the way back */
	int err;
	unsigned int closed;
	unsigned int count;
	uint32_t inodes[NETNS_WALK_SLOTS]; /* inodes that were met, by hash; 0: free */
};

/* Returns true if the inode was not met before. */
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
	if (walk->count == NETNS_WALK_MAX) {
		walk->closed |= NETNS_WALK_MORE;
		return false;
	}
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
	/* If the thread stayed there, it would report one namespace as another. */
	if (setns(walk->own, CLONE_NEWNET))
		err = -errno;
	return err;
}

static bool meet(void *context, const char *name, uint32_t pid, int fd)
{
	struct walk *walk = context;
	struct netns_place place = { .name = name, .pid = pid };
	struct stat st;

	/*
	 * A name may be left over from a namespace that is gone, or be mounted elsewhere: it is a
	 * plain file.
	 */
	if (fstat(fd, &st) || ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
		return true;
	place.inode = st.st_ino;
	/* procfs_each_netns() begins with the caller's namespace. */
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

static int walk_inside(uint32_t only, netns_walk_visit *visit, void *context, unsigned int *closed)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	int err;

	if (!walk)
		return -ENOMEM;
	walk->visit = visit;
	walk->context = context;
	walk->only = only;
	walk->own = -1;
	err = procfs_each_netns("", meet, walk);
	if (walk->own >= 0)
		close(walk->own);
	*closed = walk->closed;
	err = walk->err ?: err;
	free(walk);
	return err;
}

/*
 * Visits only the namespace that the thread is in. For a run that has lost its steward and has no
 * rights.
 */
static int stay(uint32_t only, netns_walk_visit *visit, void *context, unsigned int *closed)
{
	struct netns_place place = { .own = true };
	struct stat st;

	*closed = 1;
	if (stat("/proc/thread-self/ns/net", &st))
		return -errno;
	place.inode = st.st_ino;
	return only && only != place.inode ? 0 : visit(context, &place);
}

int netns_walk(struct steward *steward, uint32_t only, netns_walk_visit *visit, void *context,
	       unsigned int *closed)
{
	int err;

	if (!steward)
		return walk_inside(only, visit, context, closed);
	err = steward_each_netns(steward, only, visit, context, closed);
	return err == STEWARD_LOST ? stay(only, visit, context, closed) : err;
}

void netns_walk_warn(const struct notice *notice, unsigned int closed, const char *so)
{
	if (closed & ~NETNS_WALK_MORE)
		notice_print(notice, NOTICE_WARNING,
			     "%u network namespaces cannot be entered (it takes CAP_SYS_ADMIN): %s",
			     closed & ~NETNS_WALK_MORE, so);
	if (closed & NETNS_WALK_MORE)
		notice_print(notice, NOTICE_WARNING,
			     "there are more than %u network namespaces, and of the others: %s",
			     NETNS_WALK_MAX, so);
}

/* ---- What a visit may ask -------------------------------------------------------------------- */

int netns_place_count(const struct netns_place *place, unsigned int *sockets,
		      unsigned int *timewait)
{
	if (!place->steward)
		return procfs_tcp_sockets("", sockets, timewait);
	*sockets = place->sockets;
	*timewait = place->timewait;
	return *sockets == UINT32_MAX ? -ENODATA : 0;
}

bool netns_place_is_gone(const struct netns_place *place, int err)
{
	return place->steward && err == -ENOENT;
}

int netns_place_sockdiag(const struct netns_place *place)
{
	return place->steward ? steward_open_sockdiag(place->steward, place->inode) :
				sockdiag_open();
}

int netns_place_file(const struct netns_place *place, const char *name)
{
	int which = netns_file_find(name);

	if (which < 0)
		return which;
	return place->steward ? steward_open_net_file(place->steward, place->inode, which) :
				netns_file_open("", which);
}

FILE *netns_place_open(const struct netns_place *place, const char *name)
{
	int fd = netns_place_file(place, name), err;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (file)
		return file;
	err = fd < 0 ? -fd : errno;
	if (fd >= 0)
		close(fd);
	errno = err;
	return NULL;
}

char *netns_place_setting(const struct netns_place *place, const char *name)
{
	return procfs_take_line(netns_place_open(place, name));
}
