/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sums of `stat` out of rows: what the kernel side would have summed (bpf/stat.bpf.h), for who
 * has the rows instead. Both make the same report. Pure, one thread at a time.
 */
#ifndef TCPDWELL_STAT_ROWS_H
#define TCPDWELL_STAT_ROWS_H

#include "model/stat_table.h"

/* What makes a group. */
struct stat_grouping {
	enum tcpdwell_stat_by by;
	uint32_t prefix4; /* bits of a remote address that make a prefix */
	uint32_t prefix6;
};

/*
 * Adds the row @t to @table. One without a dwell has nothing to add. A row does not say which ports
 * connect() takes: of a connection without an owner the service's port is not known. Returns 0 or
 * -ENOMEM.
 */
int stat_table_add_row(struct stat_table *table, const struct stat_grouping *grouping,
		       const struct tcpdwell_transition *t);

#endif /* TCPDWELL_STAT_ROWS_H */
