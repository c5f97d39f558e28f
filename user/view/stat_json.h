/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A report of `stat` as one JSON object on a line, and the account as the last one. The names are
 * part of the interface: the manual describes them. Pure.
 */
#ifndef TCPDWELL_STAT_JSON_H
#define TCPDWELL_STAT_JSON_H

#include <stdio.h>

#include "view/stat_view.h"

/* How the rows of a run add up: seen = counted + undated + filtered + lost. */
struct stat_account {
	uint64_t seen;
	uint64_t counted; /* in the reports */
	uint64_t undated; /* with no dwell: a life begins, or nothing is known */
	uint64_t filtered;
	uint64_t lost_map;  /* found no room in the kernel */
	uint64_t untracked; /* as in struct summary (sink.h) */
	uint64_t missed;
};

/* Returns 0 or -ENOMEM; errors of @out are the caller's to see. */
int stat_json(FILE *out, const struct stat_view *view);

void stat_json_account(FILE *out, const struct stat_account *account);

#endif /* TCPDWELL_STAT_JSON_H */
