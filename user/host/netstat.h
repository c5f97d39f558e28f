/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads what the kernel counts of a network namespace since it was made: /proc/net/snmp and
 * /proc/net/netstat. Any thread.
 */
#ifndef TCPDWELL_NETSTAT_H
#define TCPDWELL_NETSTAT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The value of a counter that the kernel does not have. */
#define NETSTAT_UNKNOWN UINT64_MAX

struct netns_place;

/*
 * Reads the counters of the namespace at @place (netns_walk.h). Sets the value of each of @count
 * names, such as "TcpExt.SyncookiesSent". Returns 0 or -errno.
 */
int netstat_read(const struct netns_place *place, const char *const names[], uint64_t values[],
		 size_t count);

/*
 * Takes the counters in @file, which has the form of one of the two files. Values that it lacks
 * stay.
 */
void netstat_take(FILE *file, const char *const names[], uint64_t values[], size_t count);

/*
 * What TCP uses on the whole host, as each namespace shows it. A value that is not known is
 * NETSTAT_UNKNOWN.
 */
struct netstat_host {
	uint64_t orphans;
	uint64_t pages;
	uint64_t pressure_pages; /* the middle value of tcp_mem: only the first namespace has it */
};

extern const struct netstat_host netstat_host_unknown;

/* Reads what is not known yet: not each namespace tells all of it. */
void netstat_add_host(const struct netns_place *place, struct netstat_host *host);

/* Takes the values in @file, which has the form of /proc/net/sockstat. */
void netstat_take_host(FILE *file, struct netstat_host *host);

#endif /* TCPDWELL_NETSTAT_H */
