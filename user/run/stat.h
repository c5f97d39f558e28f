/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell stat`: has the kernel side sum the dwells, and reports them at intervals.
 *
 * It sleeps between two reports. Only with the timer backend, where timewait sockets must be
 * polled, it looks for them once a second.
 */
#ifndef TCPDWELL_RUN_STAT_H
#define TCPDWELL_RUN_STAT_H

#include "run/session.h"

extern const struct command_ops stat_command;

#endif /* TCPDWELL_RUN_STAT_H */
