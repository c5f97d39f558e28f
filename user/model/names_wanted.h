/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filters --container, --pod and --unit, which the kernel side does not know. They apply to
 * rows, sockets, processes and groups alike. What is not known is not wanted. Pure, any thread.
 */
#ifndef TCPDWELL_NAMES_WANTED_H
#define TCPDWELL_NAMES_WANTED_H

#include <stdbool.h>

struct filters;
struct named_cgroup;

/*
 * Returns true if the filters want what comes from @cgroup; NULL: nothing is known of the cgroup.
 */
bool names_wanted(const struct filters *filters, const struct named_cgroup *cgroup);

#endif /* TCPDWELL_NAMES_WANTED_H */
