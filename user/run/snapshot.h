/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell snapshot`: all sockets now, counted.
 */
#ifndef TCPDWELL_RUN_SNAPSHOT_H
#define TCPDWELL_RUN_SNAPSHOT_H

#include "run/session.h"

extern const struct command_ops snapshot_command;

#endif /* TCPDWELL_RUN_SNAPSHOT_H */
