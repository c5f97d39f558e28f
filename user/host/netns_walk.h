/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Visits each network namespace of the host that has a process or a name, one after another. Either
 * the calling thread enters it and comes back, and only that thread moves. Or a steward (steward.h)
 * looks into it from outside.
 *
 * Namespaces other than the caller's own need CAP_SYS_ADMIN, and CAP_SYS_PTRACE for those of other
 * users' processes. Without these they are counted as closed.
 */
#ifndef TCPDWELL_NETNS_WALK_H
#define TCPDWELL_NETNS_WALK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* More namespaces than a host has pods. Those beyond are skipped, and the caller is told so. */
#define NETNS_WALK_MAX 16384

struct notice;
struct steward;

struct netns_place {
	uint32_t inode;
	const char *name; /* of ip-netns(8); NULL: none; valid during the call */
	bool own;	  /* it is the caller's */
	uint32_t pid;	  /* a process in it; 0: it was found by name, or is the caller's */

	/*
	 * NULL: the thread is inside. Otherwise it is not, and the counts below were taken there.
	 */
	struct steward *steward;
	unsigned int sockets; /* UINT32_MAX: not known */
	unsigned int timewait;
};

/* A bit beside the number of closed namespaces: there are more than NETNS_WALK_MAX. */
#define NETNS_WALK_MORE (1U << 31)

/* Called for each namespace. Returns 0 to go on, or -errno, which ends the walk. */
typedef int netns_walk_visit(void *context, const struct netns_place *place);

/*
 * Visits each namespace once, the caller's own first, or only the one of inode @only if it is not
 * 0. @closed gets how many could not be entered, and NETNS_WALK_MORE. If @steward is NULL, the
 * thread goes there itself. If the steward is lost, only the own namespace is visited, and one
 * counts as closed. Returns 0, what a visit returned, or -errno if there is no memory or the thread
 * could not come back.
 */
int netns_walk(struct steward *steward, uint32_t only, netns_walk_visit *visit, void *context,
	       unsigned int *closed);

/*
 * Warns of the namespaces that were not visited. @so says what that means, as in "their sockets are
 * not known".
 */
void netns_walk_warn(const struct notice *notice, unsigned int closed, const char *so);

/* ---- What a visit may ask of the place ---- */

/* Returns true if @err says that the namespace has ended since it was seen. */
bool netns_place_is_gone(const struct netns_place *place, int err);

/*
 * Counts the TCP sockets in the hash tables, listeners included, and those in TIME_WAIT. Returns 0
 * or -errno.
 */
int netns_place_count(const struct netns_place *place, unsigned int *sockets,
		      unsigned int *timewait);

/* Returns a socket for sockdiag_dump() (sockdiag.h), which the caller closes, or -errno. */
int netns_place_sockdiag(const struct netns_place *place);

/*
 * Opens one of the files of netns_file.h for reading. Returns its descriptor, which the caller
 * closes, or -errno.
 */
int netns_place_file(const struct netns_place *place, const char *name);

/* Does the same, but returns a stream, or NULL with errno set. */
FILE *netns_place_open(const struct netns_place *place, const char *name);

/*
 * Returns the first line of such a file, without the newline, which the caller frees, or NULL with
 * errno set.
 */
char *netns_place_setting(const struct netns_place *place, const char *name);

#endif /* TCPDWELL_NETNS_WALK_H */
