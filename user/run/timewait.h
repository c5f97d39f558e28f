/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell timewait`: takes rows, shows figures in place on a terminal while they come, and writes
 * a report or a JSON object at the end.
 */
#ifndef TCPDWELL_RUN_TIMEWAIT_H
#define TCPDWELL_RUN_TIMEWAIT_H

#include "run/session.h"

extern const struct command_ops timewait_command;

#endif /* TCPDWELL_RUN_TIMEWAIT_H */
