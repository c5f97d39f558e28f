/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From what a walk found of a socket and the settings of its network namespace to when it ends by
 * itself (deadline.h). Pure, any thread.
 */
#ifndef TCPDWELL_TIMERS_H
#define TCPDWELL_TIMERS_H

#include "model/deadline.h"
#include "model/facts.h"
#include "wire.h"

/* What deadlines are reckoned with; the kernel's defaults for what is FACT_UNKNOWN. */
struct deadline_settings timers_settings(const uint64_t settings[FACT_SETTINGS]);

/*
 * Whether the socket's details tell all that a deadline hangs on: its timer, and, of a timer that
 * options bear on, the options.
 */
bool timers_are_known(const struct tcpdwell_socket *socket);

/*
 * The socket as deadline.h wants it. An option that it has not set is the namespace's of
 * @settings, a setting that is FACT_UNKNOWN the kernel's default.
 */
struct deadline_socket timers_of(const struct tcpdwell_socket *socket,
				 const uint64_t settings[FACT_SETTINGS]);

/* When it ends by itself; DEADLINE_UNKNOWN where timers_are_known() says no. */
struct deadline timers_deadline(const struct tcpdwell_socket *socket,
				const uint64_t settings[FACT_SETTINGS]);

#endif /* TCPDWELL_TIMERS_H */
