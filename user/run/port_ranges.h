/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From which ports connect() takes in the network namespaces that a session is about. It enters
 * them: before the session gives its rights up.
 */
#ifndef TCPDWELL_PORT_RANGES_H
#define TCPDWELL_PORT_RANGES_H

#include "model/ranges.h"
#include "run/session.h"

/*
 * Where a namespace cannot be entered, or there is no memory, the range is taken to be Linux's.
 * NULL: there is no memory; ranges_find() takes that. The caller frees it.
 */
struct ranges *port_ranges_take(const struct session *session);

#endif /* TCPDWELL_PORT_RANGES_H */
