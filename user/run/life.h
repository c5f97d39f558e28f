/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell life`: each connection, as a row of a table, JSON or CSV.
 */
#ifndef TCPDWELL_RUN_LIFE_H
#define TCPDWELL_RUN_LIFE_H

#include "run/session.h"

extern const struct command_ops life_command;

#endif /* TCPDWELL_RUN_LIFE_H */
