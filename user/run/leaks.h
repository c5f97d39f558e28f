/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell leaks`: reports the sockets that exist and may be leaks. With --watch it reports again
 * and again, while the tracer sees what becomes of them.
 */
#ifndef TCPDWELL_RUN_LEAKS_H
#define TCPDWELL_RUN_LEAKS_H

#include "run/session.h"

extern const struct command_ops leaks_command;

#endif /* TCPDWELL_RUN_LEAKS_H */
