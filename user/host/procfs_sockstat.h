/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts TCP sockets without looking at each.
 */
#ifndef TCPDWELL_PROCFS_SOCKSTAT_H
#define TCPDWELL_PROCFS_SOCKSTAT_H

/*
 * Counts the TCP sockets of the network namespace that the calling thread is in: those in the hash
 * tables, listeners included, and those in TIME_WAIT. @root stands for `/`, "" for the real one.
 * Returns 0 or -errno.
 */
int procfs_tcp_sockets(const char *root, unsigned int *inuse, unsigned int *timewait);

/* Likewise, the full TCP sockets of all namespaces of the host. */
int procfs_tcp_sockets_of_host(const char *root, unsigned int *count);

#endif /* TCPDWELL_PROCFS_SOCKSTAT_H */
