/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads from which range connect() takes local ports, for each network namespace that a session is
 * about. It enters the namespaces, so it must run before the session gives up its privileges.
 */
#ifndef TCPDWELL_PORT_RANGES_H
#define TCPDWELL_PORT_RANGES_H

#include "model/ranges.h"
#include "run/session.h"

/*
 * Returns the ranges. For a namespace that cannot be entered, or if there is no memory,
 * ranges_find() answers with Linux's default. NULL: there is no memory; ranges_find() accepts that.
 * The caller frees the ranges.
 */
struct ranges *port_ranges_take(const struct session *session);

#endif /* TCPDWELL_PORT_RANGES_H */
