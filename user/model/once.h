/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets of one snapshot, each told once, as sockets.h has them, as soon as it is known whom
 * it counts for: that is with the first record of nearly all. Sixteen bytes a socket. Those that
 * must wait, since another process than the owner has them too, or since a filter asks for each
 * process that has one, take as much as there. Pure, one thread at a time.
 */
#ifndef TCPDWELL_ONCE_H
#define TCPDWELL_ONCE_H

#include "wire.h"

struct filters;
struct named_cgroup;
struct once;

/* Takes a socket that @filters of once_new() want. Returns 0 or -errno, which ends it. */
typedef int once_take(void *context, const struct tcpdwell_socket *socket);

/* What a cgroup is called, which need not last; NULL: not known. */
typedef const struct named_cgroup *once_cgroup(void *context, uint64_t cgroup_id);

/*
 * @cgroup is asked if the filters name any, and NULL if nothing is known of cgroups. Returns NULL
 * with errno set. The caller frees it; @filters and @context must outlive it.
 */
struct once *once_new(const struct filters *filters, once_cgroup *cgroup, once_take *take,
		      void *context);

/* NULL-safe. */
void once_free(struct once *once);

/* What a record says. Returns 0 or -errno. */
int once_add(struct once *once, const struct tcpdwell_socket *record);

/* There are no more records: tells of those that wait. Returns 0 or -errno. */
int once_finish(struct once *once);

#endif /* TCPDWELL_ONCE_H */
