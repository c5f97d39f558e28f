/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell trace`: each transition, as a row of a table, JSON or CSV.
 */
#ifndef TCPDWELL_TRACE_H
#define TCPDWELL_TRACE_H

#include "run/session.h"

extern const struct command_ops trace_command;

#endif /* TCPDWELL_TRACE_H */
