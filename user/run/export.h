/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell export`: serves the sums of the kernel side, and figures about the sockets that exist,
 * to a Prometheus that scrapes them or reads them from a file. A look is taken at each interval. A
 * request never waits for a look, and all requests between two looks get the same answer.
 */
#ifndef TCPDWELL_EXPORT_H
#define TCPDWELL_EXPORT_H

#include "run/session.h"

extern const struct command_ops export_command;

#endif /* TCPDWELL_EXPORT_H */
