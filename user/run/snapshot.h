/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell snapshot`: counts or lists the sockets that exist now.
 */
#ifndef TCPDWELL_RUN_SNAPSHOT_H
#define TCPDWELL_RUN_SNAPSHOT_H

#include "run/session.h"

extern const struct command_ops snapshot_command;

#endif /* TCPDWELL_RUN_SNAPSHOT_H */
