/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many TCP sockets there are, and what they take, without looking at each. @root stands for
 * `/`, "" for the real one.
 */
#ifndef TCPDWELL_PROCFS_SOCKSTAT_H
#define TCPDWELL_PROCFS_SOCKSTAT_H

#include <stdint.h>

/*
 * Counts the TCP sockets of the network namespace that the calling thread is in: those in the hash
 * tables, listeners included, and those in TIME_WAIT. @root stands for `/`, "" for the real one.
 * Returns 0 or -errno.
 */
int procfs_tcp_sockets(const char *root, unsigned int *inuse, unsigned int *timewait);

/* Orphans, as the kernel counts them for all namespaces alike. Returns 0 or -errno. */
int procfs_tcp_orphans(const char *root, uint64_t *orphans);

/*
 * Pages that TCP has, and how many of them are pressure (the middle value of tcp_mem, 0: not
 * known); both are the host's. Returns 0 or -errno.
 */
int procfs_tcp_memory(const char *root, uint64_t *pages, uint64_t *pressure_pages);

#endif /* TCPDWELL_PROCFS_SOCKSTAT_H */
