/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Computes when a socket ends by itself (deadline.h), from what a walk found of it and from the
 * settings of its network namespace. Pure, any thread.
 */
#ifndef TCPDWELL_TIMERS_H
#define TCPDWELL_TIMERS_H

#include "model/deadline.h"
#include "model/facts.h"
#include "wire.h"

/*
 * Returns the settings that deadlines depend on; the kernel's defaults for those that are
 * FACT_UNKNOWN.
 */
struct deadline_settings timers_settings(const uint64_t settings[FACT_SETTINGS]);

/*
 * Returns true if the socket's details tell all that its deadline depends on: its timer, and, if
 * options affect that timer, the options.
 */
bool timers_are_known(const struct tcpdwell_socket *socket);

/*
 * Returns the socket as deadline.h wants it. An option that the socket has not set comes from
 * @settings, or, if that is FACT_UNKNOWN, from the kernel's default.
 */
struct deadline_socket timers_of(const struct tcpdwell_socket *socket,
				 const uint64_t settings[FACT_SETTINGS]);

/* Returns when the socket ends by itself; DEADLINE_UNKNOWN if timers_are_known() returns false. */
struct deadline timers_deadline(const struct tcpdwell_socket *socket,
				const uint64_t settings[FACT_SETTINGS]);

#endif /* TCPDWELL_TIMERS_H */
