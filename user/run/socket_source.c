// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "host/diag_snapshot.h"
#include "host/netns_walk.h"
#include "host/procfs.h"
#include "host/resolve.h"
#include "kernel/loader.h"
#include "kernel/snapshot.h"
#include "run/socket_source.h"

/* The callbacks that take the records. */
struct taker {
	socket_source_found *found;
	socket_source_anew *anew;
	void *context;
};

static int take_event(void *context, const struct event *event)
{
	const struct taker *taker = context;

	return taker->found(taker->context, event->socket);
}

int socket_source_open(struct socket_source *source, struct failure *failure)
{
	/* No file can be opened once the privileges are given up, so this is read now. */
	source->pids_are_ours = !procfs_pids_are_the_kernels("");
	source->loader = loader_new(source->capture, source->notice, &source->why);
	if (!source->loader && source->why.status == STATUS_USE) {
		*failure = source->why;
		return -1;
	}
	return resolve_netns(&source->capture->filters.netns, &source->netns, failure);
}

/*
 * Warns if this is a PID namespace: of a process outside, its sockets show only that somebody holds
 * them, not who.
 */
static void tell_of_pid_namespace(const struct socket_source *source)
{
	if (source->pids_are_ours)
		notice_print(source->notice, NOTICE_WARNING,
			     "this is a PID namespace of its own: processes outside of it are not "
			     "seen%s",
			     source->by_diag ? "" : ", and numbers of processes are the host's");
}

static void tell_of_diag(const struct socket_source *source, const struct diag_shortfall *shortfall)
{
	notice_print(source->notice, NOTICE_WARNING,
		     "%s; so sockets are looked for by sock_diag and /proc, which tell an age in "
		     "ESTABLISHED, CLOSE_WAIT and TIME_WAIT alone",
		     source->why.text);
	netns_walk_warn(source->notice, shortfall->closed_netns, "their sockets are not known");
	if (shortfall->closed_processes)
		notice_print(source->notice, NOTICE_WARNING,
			     "the descriptors of %u processes cannot be read (it takes "
			     "CAP_SYS_PTRACE): which sockets are theirs is not known",
			     shortfall->closed_processes);
}

static int take_by_diag(struct socket_source *source, const struct taker *taker,
			struct failure *failure)
{
	const struct filters *filters = &source->capture->filters;
	struct diag_shortfall shortfall = {};
	int err;

	if (filters->cgroup || filters_have_names(filters))
		return failure_set(failure, STATUS_HOST,
				   "%.300s; and sock_diag knows nothing of %s", source->why.text,
				   filters->cgroup ? "--cgroup" : "cgroups and their names");
	err = diag_snapshot_take(source->steward, filters, source->netns, taker->found,
				 taker->context, &shortfall);
	if (err)
		return failure_set(failure, STATUS_HOST, "%.300s; and sock_diag: %s",
				   source->why.text, strerror(-err));
	if (!source->told_of_diag)
		tell_of_diag(source, &shortfall);
	source->told_of_diag = true;
	return 0;
}

int socket_source_each(struct socket_source *source, socket_source_found *found,
		       socket_source_anew *anew, void *context, struct failure *failure)
{
	struct taker taker = { found, anew, context };
	unsigned int closed;
	int err = 0;

	anew(context);
	if (!source->loader)
		source->by_diag = true;
	if (!source->by_diag &&
	    snapshot_take(source->loader, take_event, &taker, &closed, &source->why)) {
		source->by_diag = true;
		anew(context);
	}
	if (source->by_diag)
		err = take_by_diag(source, &taker, failure);
	else if (!source->told)
		snapshot_warn(source->notice, closed);
	if (!err && !source->told)
		tell_of_pid_namespace(source);
	source->told = true;
	return err;
}

static int add(void *context, const struct tcpdwell_socket *record)
{
	return sockets_add(context, record);
}

static void forget(void *context)
{
	sockets_clear(context);
}

int socket_source_take(struct socket_source *source, struct sockets *sockets,
		       struct failure *failure)
{
	return socket_source_each(source, add, forget, sockets, failure);
}
