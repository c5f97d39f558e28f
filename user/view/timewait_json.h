/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The figures of `tcpdwell timewait` as one JSON object on one line. Pure.
 *
 * All fields are always present. Their names are a contract: one may be added, none may be removed
 * or change its meaning.
 */
#ifndef TCPDWELL_TIMEWAIT_JSON_H
#define TCPDWELL_TIMEWAIT_JSON_H

#include <stdint.h>
#include <stdio.h>

#include "view/timewait_report.h"

/* @wall_ns is the time of the figures since the Epoch. */
void timewait_json(FILE *out, const struct timewait_figures *figures,
		   const struct timewait_scope *scope, const struct summary *summary,
		   uint64_t wall_ns);

#endif /* TCPDWELL_TIMEWAIT_JSON_H */
