/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes the sums of `stat` from rows: the same that the kernel side would have made
 * (bpf/stat.bpf.h), for a source that has rows instead. Both give the same report. Pure, one thread
 * at a time.
 */
#ifndef TCPDWELL_STAT_ROWS_H
#define TCPDWELL_STAT_ROWS_H

#include "model/stat_table.h"

/* What makes a group. */
struct stat_grouping {
	enum tcpdwell_stat_by by;
	uint32_t prefix4; /* length of a remote prefix, in bits */
	uint32_t prefix6;
};

/*
 * Makes the element of the row @t. Returns false if the row has no dwell: then it adds nothing. A
 * row does not say which ports connect() takes, so the service's port of a connection without an
 * owner is not known.
 */
bool stat_row_sum(const struct stat_grouping *grouping, const struct tcpdwell_transition *t,
		  struct tcpdwell_stat_key *key, struct tcpdwell_stat *sum);

#endif /* TCPDWELL_STAT_ROWS_H */
