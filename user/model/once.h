/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Hands over each socket of a snapshot once, with the members that sockets.h would give it, as soon
 * as it is known which process it counts for. For nearly all sockets that is at the first record. A
 * socket takes sixteen bytes. Some must wait: another process than the owner holds them, too, or a
 * filter asks for each process that holds one. Those take as much memory as in sockets.h. Pure, one
 * thread at a time.
 */
#ifndef TCPDWELL_ONCE_H
#define TCPDWELL_ONCE_H

#include "wire.h"

struct filters;
struct named_cgroup;
struct once;

/* Takes a socket that the filters of once_new() want. Returns 0, or -errno, which ends the walk. */
typedef int once_take(void *context, const struct tcpdwell_socket *socket);

/* Returns what a cgroup is called; the result need not last. NULL: not known. */
typedef const struct named_cgroup *once_cgroup(void *context, uint64_t cgroup_id);

/*
 * @cgroup is called if the filters name containers, pods or units. It is NULL if nothing is known
 * of cgroups. Returns NULL with errno set. The caller frees the result; @filters and @context must
 * outlive it.
 */
struct once *once_new(const struct filters *filters, once_cgroup *cgroup, once_take *take,
		      void *context);

/* NULL-safe. */
void once_free(struct once *once);

/* Takes a record. Returns 0 or -errno. */
int once_add(struct once *once, const struct tcpdwell_socket *record);

/* Hands over the sockets that waited, once there are no more records. Returns 0 or -errno. */
int once_finish(struct once *once);

#endif /* TCPDWELL_ONCE_H */
