/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * `tcpdwell export`: sums of the kernel side, and of the sockets that exist, for a Prometheus that
 * scrapes them or reads them from a file. A look is taken at each interval; nobody who asks for it
 * waits for one, and all who ask between two looks are told the same.
 */
#ifndef TCPDWELL_EXPORT_H
#define TCPDWELL_EXPORT_H

#include "run/session.h"

extern const struct command_ops export_command;

#endif /* TCPDWELL_EXPORT_H */
