/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A report of `stat` as one JSON object on a line, and the account as the last object. The names
 * are part of the interface, and described in the manual. Pure.
 */
#ifndef TCPDWELL_STAT_JSON_H
#define TCPDWELL_STAT_JSON_H

#include <stdbool.h>
#include <stdio.h>

#include "view/stat_view.h"

struct summary;

/* Returns 0 or -ENOMEM. The caller checks @out for errors. */
int stat_json(FILE *out, const struct stat_view *view);

/* Writes the account. @ring: rows came through the ring, which may have lost some. */
void stat_json_account(FILE *out, const struct summary *summary, bool ring);

#endif /* TCPDWELL_STAT_JSON_H */
