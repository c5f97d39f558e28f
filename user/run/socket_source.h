/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets that exist, for commands that look at them: by BPF iterators where the kernel lets us
 * (kernel/snapshot.h), else by sock_diag and /proc (host/diag_snapshot.h), which tell less. What is
 * not known is said once, on standard error. One thread.
 */
#ifndef TCPDWELL_SOCKET_SOURCE_H
#define TCPDWELL_SOCKET_SOURCE_H

#include "base/failure.h"
#include "base/notice.h"
#include "kernel/capture.h"
#include "model/sockets.h"

struct loader;
struct steward;

struct socket_source {
	/* For the caller to set; all else is zero. */
	const struct capture *capture;
	const struct notice *notice;
	struct loader *loader; /* not owned; NULL: there is none, and @why says why */
	struct failure why;
	struct steward *steward; /* not owned; NULL: the process goes there itself */

	bool by_diag;	    /* from now on */
	bool pids_are_ours; /* in a PID namespace */
	uint32_t netns;	    /* of --netns, 0: all */
	bool told;	    /* of what a look cannot see */
	bool told_of_diag;
};

/*
 * Opens a loader for what @source has as capture. Returns 0 also where the kernel allows none: then
 * the loader is NULL. Returns -1 with @failure filled if the fault is in the command line. The
 * caller frees the loader.
 */
int socket_source_open(struct socket_source *source, struct failure *failure);

/*
 * Hands each record to @found; where another way must be gone meanwhile, @anew first forgets those
 * that were handed over. Returns 0, or -1 with @failure filled.
 */
typedef int socket_source_found(void *context, const struct tcpdwell_socket *record);
typedef void socket_source_anew(void *context);
int socket_source_each(struct socket_source *source, socket_source_found *found,
		       socket_source_anew *anew, void *context, struct failure *failure);

/* Fills @sockets, which is emptied first. Returns 0, or -1 with @failure filled. */
int socket_source_take(struct socket_source *source, struct sockets *sockets,
		       struct failure *failure);

#endif /* TCPDWELL_SOCKET_SOURCE_H */
