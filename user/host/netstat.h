/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel counts of a network namespace since it was made: /proc/net/snmp and
 * /proc/net/netstat. Any thread.
 */
#ifndef TCPDWELL_NETSTAT_H
#define TCPDWELL_NETSTAT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A counter that the kernel does not have. */
#define NETSTAT_UNKNOWN UINT64_MAX

struct netns_place;

/*
 * Reads the counters of the namespace at @place (netns_walk.h): for each of @count names, such as
 * "TcpExt.SyncookiesSent", its value. Returns 0 or -errno.
 */
int netstat_read(const struct netns_place *place, const char *const names[], uint64_t values[],
		 size_t count);

/* Takes what is in @file, which stands as one of the two; values that it lacks stay. */
void netstat_take(FILE *file, const char *const names[], uint64_t values[], size_t count);

/* What TCP has of the whole host, as each namespace shows it; NETSTAT_UNKNOWN: not known, each. */
struct netstat_host {
	uint64_t orphans;
	uint64_t pages;
	uint64_t pressure_pages; /* the middle value of tcp_mem: the first namespace alone */
};

void netstat_read_host(const struct netns_place *place, struct netstat_host *host);

/* Takes what @file, in the form of /proc/net/sockstat, says of it. */
void netstat_take_host(FILE *file, struct netstat_host *host);

/* What was added between two readings; 0 of what is not known. */
uint64_t netstat_grew(uint64_t before, uint64_t after);

#endif /* TCPDWELL_NETSTAT_H */
