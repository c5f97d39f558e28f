/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `tcpdwell timewait` looks at once, at its start: the settings of each network namespace, and
 * the sockets that are open or in TIME_WAIT by then.
 */
#ifndef TCPDWELL_TIMEWAIT_START_H
#define TCPDWELL_TIMEWAIT_START_H

#include <stdbool.h>

#include "cli/filters.h"
#include "host/sockdiag.h"
#include "view/timewait_report.h"

/*
 * Walks over all sockets that have two ends, in all namespaces. @found gets a record of each, with
 * its ends, its state, and the time that a timewait socket has left. Returns 0, what @found
 * returned, or -errno.
 */
typedef int timewait_found(void *context, const struct tcpdwell_socket *socket);
typedef int timewait_walk(void *source, timewait_found *found, void *context);

/*
 * Looks around, with the privileges that the process still has, and puts what it finds into @tw,
 * which has begun. Sockets that @filters exclude are skipped. @scope says what could not be found
 * out.
 *
 * A dump of sock_diag goes through the table of the whole host for each namespace. If there are
 * many namespaces, @walk is used for all of them at once, unless it is NULL. @tw (model) must have
 * noted the listeners by then.
 */
void timewait_look(struct timewait *tw, const struct filters *filters, uint64_t begin_ns,
		   timewait_walk *walk, void *source, struct timewait_scope *scope);

#endif /* TCPDWELL_TIMEWAIT_START_H */
