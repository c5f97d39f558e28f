/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets that exist, for commands that look at them. They are read by BPF iterators if the
 * kernel allows that (kernel/snapshot.h), otherwise by sock_diag and /proc (host/diag_snapshot.h),
 * which tell less. What cannot be known is reported once on standard error. One thread.
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
	/* The caller sets these; all other members are zero. */
	const struct capture *capture;
	const struct notice *notice;
	struct loader *loader; /* not owned; NULL: none, for the reason @why */
	struct failure why;
	struct steward *steward; /* not owned; NULL: this process looks itself */

	bool by_diag;	    /* iterators were refused; sock_diag from now on */
	bool pids_are_ours; /* this process is in a PID namespace of its own */
	uint32_t netns;	    /* the namespace of --netns; 0: all */
	bool told;	    /* what a look cannot see has been reported */
	bool told_of_diag;
};

/*
 * Opens a loader for the capture of @source. Returns 0 also if the kernel allows none; the loader
 * is NULL then. Returns -1 with @failure filled if the command line is at fault. The caller frees
 * the loader.
 */
int socket_source_open(struct socket_source *source, struct failure *failure);

/*
 * Calls @anew, then hands each record to @found. If it must start again by the other way, it calls
 * @anew once more, which must forget the records so far. Returns 0, or -1 with @failure filled.
 */
typedef int socket_source_found(void *context, const struct tcpdwell_socket *record);
typedef void socket_source_anew(void *context);
int socket_source_each(struct socket_source *source, socket_source_found *found,
		       socket_source_anew *anew, void *context, struct failure *failure);

/* Empties @sockets and fills it again. Returns 0, or -1 with @failure filled. */
int socket_source_take(struct socket_source *source, struct sockets *sockets,
		       struct failure *failure);

#endif /* TCPDWELL_SOCKET_SOURCE_H */
