/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Totals over time, for `snapshot -i`: from two readings of each network namespace it makes a line
 * about the time between them. Pure, one thread at a time.
 *
 * The kernel's counters belong to a namespace, so each namespace is compared with itself. A new
 * namespace has counted from 0. If a namespace has gone, its last interval is not known, and left
 * out.
 */
#ifndef TCPDWELL_TOTALS_H
#define TCPDWELL_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

#define TOTALS_UNKNOWN UINT64_MAX

/* Counters of /proc/net/snmp. */
enum totals_counter {
	TOTALS_ACTIVE_OPENS,
	TOTALS_PASSIVE_OPENS,
	TOTALS_ATTEMPT_FAILS,
	TOTALS_ESTAB_RESETS,
	TOTALS_RETRANS_SEGS,
	TOTALS_COUNTERS
};

/* A namespace at one moment. */
struct totals_reading {
	uint32_t inode;
	uint64_t counters[TOTALS_COUNTERS]; /* TOTALS_UNKNOWN: not known */
	uint32_t states[TCPDWELL_STATE_MAX];
	uint32_t requests; /* those in SYN_RECV that are requests */
};

/* A line about an interval. Each member may be TOTALS_UNKNOWN. */
struct totals_line {
	uint64_t time_ns; /* end of the interval, CLOCK_MONOTONIC */
	uint64_t interval_ns;
	uint64_t states[TCPDWELL_STATE_MAX]; /* at the end of the interval */
	uint64_t orphans;		     /* of the whole host */
	uint64_t memory_bytes;		     /* of the whole host */
	/* During the interval. */
	uint64_t opened;
	uint64_t closed; /* opened minus the growth of open ones */
	uint64_t failed; /* before they were established */
	uint64_t reset;
	uint64_t retransmitted; /* segments */
};

struct totals;

/* Returns NULL with errno set. The caller frees it. */
struct totals *totals_new(void);

/* NULL-safe. */
void totals_free(struct totals *totals);

/* Begins a look at @time_ns. The look before is kept for comparison. */
void totals_begin(struct totals *totals, uint64_t time_ns);

/* Adds a namespace that the look sees; each one only once. Returns 0 or -ENOMEM. */
int totals_add(struct totals *totals, const struct totals_reading *reading);

/* Sets figures of the whole host; TOTALS_UNKNOWN: not known. */
void totals_host(struct totals *totals, uint64_t orphans, uint64_t memory_bytes);

/* Ends the look. Returns true if there was a look before, and so a line. */
bool totals_end(struct totals *totals, struct totals_line *line);

#endif /* TCPDWELL_TOTALS_H */
