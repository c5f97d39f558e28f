/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Totals over time, for `snapshot -i`: from two readings of each network namespace to a line about
 * the time between them. Pure, one thread at a time.
 *
 * What the kernel counts goes on within a namespace, so each is held against itself. One that is
 * new has counted from 0 on; of one that is gone the last interval is not known, and left out.
 */
#ifndef TCPDWELL_TOTALS_H
#define TCPDWELL_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

#define TOTALS_UNKNOWN UINT64_MAX

/* Of /proc/net/snmp. */
enum totals_counter {
	TOTALS_ACTIVE_OPENS,
	TOTALS_PASSIVE_OPENS,
	TOTALS_ATTEMPT_FAILS,
	TOTALS_ESTAB_RESETS,
	TOTALS_RETRANS_SEGS,
	TOTALS_COUNTERS
};

/* A namespace at one time. */
struct totals_reading {
	uint32_t inode;
	uint64_t counters[TOTALS_COUNTERS]; /* TOTALS_UNKNOWN: not known */
	uint32_t states[TCPDWELL_STATE_MAX];
	uint32_t requests; /* of those in SYN_RECV */
};

/* An interval. TOTALS_UNKNOWN: not known, each. */
struct totals_line {
	uint64_t time_ns; /* its end, CLOCK_MONOTONIC */
	uint64_t interval_ns;
	uint64_t states[TCPDWELL_STATE_MAX]; /* at its end */
	uint64_t orphans;		     /* of the host */
	uint64_t memory_bytes;		     /* of the host */
	/* In the interval. */
	uint64_t opened;
	uint64_t closed; /* opened, less what is open more */
	uint64_t failed; /* before they were established */
	uint64_t reset;
	uint64_t retransmitted; /* segments */
};

struct totals;

/* Returns NULL with errno set. The caller frees it. */
struct totals *totals_new(void);

/* NULL-safe. */
void totals_free(struct totals *totals);

/* Begins a look at @time_ns; what the last one has seen is kept to be held against. */
void totals_begin(struct totals *totals, uint64_t time_ns);

/* What it sees, each namespace once. Returns 0 or -ENOMEM. */
int totals_add(struct totals *totals, const struct totals_reading *reading);

/* Of the host; TOTALS_UNKNOWN: not known. */
void totals_host(struct totals *totals, uint64_t orphans, uint64_t memory_bytes);

/* Ends it. Returns whether there was a look before, and so a line. */
bool totals_end(struct totals *totals, struct totals_line *line);

#endif /* TCPDWELL_TOTALS_H */
