/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `tcpdwell timewait` looks at once, when it begins: the settings of each network namespace,
 * and the sockets that are in TIME_WAIT by then, or open.
 */
#ifndef TCPDWELL_TIMEWAIT_START_H
#define TCPDWELL_TIMEWAIT_START_H

#include <stdbool.h>

#include "cli/filters.h"
#include "host/sockdiag.h"
#include "view/timewait_report.h"

/*
 * A walk over all sockets that have both ends, of whatever namespace: @found gets a record of each,
 * with its ends, its state, and what a timewait socket has left. Returns 0, what @found returned,
 * or -errno.
 */
typedef int timewait_found(void *context, const struct tcpdwell_socket *socket);
typedef int timewait_walk(void *source, timewait_found *found, void *context);

/*
 * Looks around, with the privileges that the process still has, and puts what there is into @tw,
 * which has begun. Sockets that @filters leave out are passed over. What could not be known is said
 * in @scope.
 *
 * A dump of sock_diag goes through the table of the whole host for each namespace. Where these are
 * many, @walk, if it is not NULL, is asked for all of them at once; @tw must have noted (model)
 * listeners then.
 */
void timewait_look(struct timewait *tw, const struct filters *filters, uint64_t begin_ns,
		   timewait_walk *walk, void *source, struct timewait_scope *scope);

/* Whether a socket passes the filters on its ends; the namespace's is not asked. Pure. */
bool timewait_socket_wanted(const struct filters *filters, const struct sockdiag_socket *socket);

/*
 * Whether a socket in TIME_WAIT was in it at @begin_ns; if not, a row tells of it. A segment that
 * came since then makes an old one look new. Pure.
 */
bool timewait_socket_is_old(const struct sockdiag_socket *socket, uint64_t begin_ns);

#endif /* TCPDWELL_TIMEWAIT_START_H */
