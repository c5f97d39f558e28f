/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one report of `stat` shows, whatever its form. Nothing in it is owned.
 */
#ifndef TCPDWELL_STAT_VIEW_H
#define TCPDWELL_STAT_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "model/stat_table.h"

struct stat_names;

struct stat_view {
	struct stat_table *table;
	enum tcpdwell_stat_by by;
	unsigned int prefix4; /* in bits, for groups by prefix */
	unsigned int prefix6;
	uint64_t span_ns;		/* the time in which the rows came */
	uint64_t now_ns;		/* when that time ended, CLOCK_MONOTONIC */
	uint64_t wall_ns;		/* the same since the Epoch */
	uint64_t lost;			/* rows of that time that found no room in the kernel */
	const struct stat_names *names; /* for groups that user space makes; NULL: none */
};

#endif /* TCPDWELL_STAT_VIEW_H */
