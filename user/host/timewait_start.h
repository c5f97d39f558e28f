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
 * Looks around, with the privileges that the process still has, and puts what there is into @tw,
 * which has begun. Sockets that @filters leave out are passed over. What could not be known is said
 * in @scope.
 */
void timewait_look(struct timewait *tw, const struct filters *filters, uint64_t begin_ns,
		   struct timewait_scope *scope);

/* Whether a socket passes the filters on its ends; the namespace's is not asked. Pure. */
bool timewait_socket_wanted(const struct filters *filters, const struct sockdiag_socket *socket);

/*
 * Whether a socket in TIME_WAIT was in it at @begin_ns; if not, a row tells of it. A segment that
 * came since then makes an old one look new. Pure.
 */
bool timewait_socket_is_old(const struct sockdiag_socket *socket, uint64_t begin_ns);

#endif /* TCPDWELL_TIMEWAIT_START_H */
