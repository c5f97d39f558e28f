/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Takes the sockets that exist now without BPF: by sock_diag (sockdiag.h) in each network namespace
 * that can be entered, and by /proc/PID/fd (descriptors.h). Records are like those of the kernel
 * side's snapshot. They lack what nothing tells here: the cgroup, the owner that a row would have,
 * and how long most states have lasted.
 *
 * One thread, which visits other namespaces and comes back.
 */
#ifndef TCPDWELL_DIAG_SNAPSHOT_H
#define TCPDWELL_DIAG_SNAPSHOT_H

#include "cli/filters.h"
#include "host/sockdiag.h"
#include "wire.h"

struct steward;

/* What could not be looked at. */
struct diag_shortfall {
	unsigned int closed_netns;     /* network namespaces that could not be entered */
	unsigned int closed_processes; /* processes whose descriptors could not be read */
};

/*
 * Takes one record, which is valid during the call. Returns 0, or -errno, which ends the snapshot.
 */
typedef int diag_found(void *context, const struct tcpdwell_socket *socket);

/*
 * Takes the sockets that @filters want, as the kernel side would. @only is the inode of the network
 * namespace that they want (resolve.h), or 0 for all. Processes, names and states are left to
 * sockets_wanted(). There must be no filter on cgroups, which are not known here. @steward
 * (steward.h) goes to other namespaces; if it is NULL, the thread goes itself. Returns 0 or -errno.
 */
int diag_snapshot_take(struct steward *steward, const struct filters *filters, uint32_t only,
		       diag_found *found, void *context, struct diag_shortfall *shortfall);

/*
 * Makes the record of a socket in the namespace of inode @netns, without what descriptors tell.
 * Ages are lower bounds where the kernel's stamps give some, and unknown otherwise. @tick_ns is the
 * length of a tick of these stamps.
 */
struct tcpdwell_socket diag_record(const struct sockdiag_socket *socket, uint32_t netns,
				   uint64_t tick_ns);

#endif /* TCPDWELL_DIAG_SNAPSHOT_H */
