// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/filters.h"
#include "model/keys.h"
#include "model/once.h"
#include "model/sockets.h"

struct once {
	const struct filters *filters;
	once_cgroup *cgroup;
	once_take *take;
	void *context;
	struct keys told;
	struct keys waits;
	struct sockets *waiting;
};

struct once *once_new(const struct filters *filters, once_cgroup *cgroup, once_take *take,
		      void *context)
{
	struct once *once = calloc(1, sizeof(*once));

	if (!once)
		return NULL;
	once->filters = filters;
	once->cgroup = cgroup;
	once->take = take;
	once->context = context;
	once->waiting = sockets_new();
	if (once->waiting)
		return once;
	free(once);
	return NULL;
}

void once_free(struct once *once)
{
	if (!once)
		return;
	keys_release(&once->told);
	keys_release(&once->waits);
	sockets_free(once->waiting);
	free(once);
}

/*
 * Returns true if no other record of the socket can change whom it counts for (settle_owner() in
 * sockets.c). Records with processes come first.
 */
static bool is_settled(const struct once *once, const struct tcpdwell_socket *record)
{
	const unsigned int of_listener = TCPDWELL_SOCKET_QUEUED | TCPDWELL_SOCKET_REQUEST;

	if (once->filters->pids.count)
		return false;
	return !record->pid || !record->owner_pid || record->pid == record->owner_pid ||
	       (record->flags & of_listener && record->owner);
}

static int tell_if_wanted(struct once *once, struct socket_seen *seen)
{
	if (once->cgroup && filters_have_names(once->filters))
		seen->cgroup = once->cgroup(once->context, seen->info.cgroup_id);
	if (!sockets_wanted(once->waiting, seen, once->filters))
		return 0;
	return once->take(once->context, &seen->info);
}

static int tell_settled(struct once *once, const struct tcpdwell_socket *record)
{
	const unsigned int of_listener = TCPDWELL_SOCKET_QUEUED | TCPDWELL_SOCKET_REQUEST;
	struct socket_seen seen = { .info = *record };

	if (record->flags & of_listener && record->owner)
		seen.info.pid = record->owner_pid;
	else if (!record->pid)
		memset(seen.info.comm, 0, sizeof(seen.info.comm));
	return tell_if_wanted(once, &seen);
}

int once_add(struct once *once, const struct tcpdwell_socket *record)
{
	int fresh;

	if (keys_has(&once->waits, record->key))
		return sockets_add(once->waiting, record);
	fresh = keys_add(&once->told, record->key);
	if (fresh <= 0)
		return fresh;
	if (is_settled(once, record))
		return tell_settled(once, record);
	fresh = keys_add(&once->waits, record->key);
	return fresh < 0 ? fresh : sockets_add(once->waiting, record);
}

int once_finish(struct once *once)
{
	int err = 0;

	keys_release(&once->told);
	keys_release(&once->waits);
	for (size_t i = 0; i < sockets_count(once->waiting) && !err; i++) {
		struct socket_seen seen = *sockets_at(once->waiting, i);

		err = tell_if_wanted(once, &seen);
	}
	sockets_clear(once->waiting);
	return err;
}
