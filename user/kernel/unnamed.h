/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gives cookies to timewait sockets that have none. The cookie is their identity. The kernel makes
 * one when it is first asked for, and a walk over the table of connections (bpf/walk.bpf.h) cannot
 * ask. So each such socket is asked for by itself, by sock_diag in its network namespace.
 */
#ifndef TCPDWELL_UNNAMED_H
#define TCPDWELL_UNNAMED_H

struct loader;

/*
 * Has all of them get a cookie. Returns 0, or -errno where there can be no walk. A socket that has
 * gone meanwhile, or that cannot be asked for, stays without one.
 */
int unnamed_name(struct loader *loader);

#endif /* TCPDWELL_UNNAMED_H */
