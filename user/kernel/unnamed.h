/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Timewait sockets that have no cookie, which is their identity: nobody has asked for it before,
 * and a walk over the table of connections (bpf/walk.bpf.h) cannot. Each is asked for by itself, in
 * its network namespace, by sock_diag.
 */
#ifndef TCPDWELL_UNNAMED_H
#define TCPDWELL_UNNAMED_H

struct loader;

/*
 * Has all of them get one. Returns 0, or -errno where there can be no walk. What has gone
 * meanwhile, or cannot be asked for, stays without.
 */
int unnamed_name(struct loader *loader);

#endif /* TCPDWELL_UNNAMED_H */
