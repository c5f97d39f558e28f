/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell diagnose`: what is wrong with the connections of this host.
 */
#ifndef TCPDWELL_RUN_DIAGNOSE_H
#define TCPDWELL_RUN_DIAGNOSE_H

#include "run/session.h"

extern const struct command_ops diagnose_command;

#endif /* TCPDWELL_RUN_DIAGNOSE_H */
