/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which end of a connection is the service, and so which of its ports names it. Pure, and the same
 * for all commands and both sides of the ring.
 *
 * Whoever connected is a client, and what a listener got is a server's; a port with a listener
 * is a service's. Where nothing of that is known (the listener is gone, TPROXY, a socket that is
 * older than the tracer) the range decides that connect() takes ports from: one port in it is the
 * client's. Where both are in it, or neither, it is not known.
 */
#ifndef TCPDWELL_SERVICE_H
#define TCPDWELL_SERVICE_H

#include "wire.h"

#ifdef __bpf__
#define SERVICE_FN static __attribute__((always_inline)) inline
#else
#define SERVICE_FN static inline
#endif

enum service_side {
	SERVICE_UNKNOWN = 0,
	SERVICE_LOCAL = 1,  /* this end is the server's */
	SERVICE_REMOTE = 2, /* this end is the client's */
};

/* What is known of a listener in the connection's network namespace. Bits. */
enum service_listener {
	SERVICE_LISTENS_LOCAL = 1 << 0,	 /* at the local port */
	SERVICE_LISTENS_REMOTE = 1 << 1, /* at the remote port, and both ends are of this host */
};

/* ip_local_port_range, or IP_LOCAL_PORT_RANGE where it was seen. */
struct service_range {
	__u16 low;
	__u16 high; /* inclusive */
};

SERVICE_FN int service_in_range(struct service_range range, __u16 port)
{
	return port >= range.low && port <= range.high;
}

/* As service_side() says, where it is known whether the ports are of the range. */
SERVICE_FN __u8 service_side_of(__u8 owner, __u32 listens, int local, int remote)
{
	if (owner == TCPDWELL_OWNER_CONNECT)
		return SERVICE_REMOTE;
	if (owner == TCPDWELL_OWNER_LISTEN || owner == TCPDWELL_OWNER_ACCEPT)
		return SERVICE_LOCAL;
	/* Both listen: a client may not take a listener's port, but may bind() to one beside it. */
	if (listens == SERVICE_LISTENS_LOCAL)
		return SERVICE_LOCAL;
	if (listens == SERVICE_LISTENS_REMOTE)
		return SERVICE_REMOTE;
	if (local == remote)
		return SERVICE_UNKNOWN;
	return local ? SERVICE_REMOTE : SERVICE_LOCAL;
}

/*
 * @owner is enum tcpdwell_owner: connect and accept say which side it is, the others say nothing. A
 * port of 0 is not known, and in no range.
 */
SERVICE_FN __u8 service_side(__u8 owner, __u32 listens, __u16 lport, __u16 rport,
			     struct service_range range)
{
	int local = service_in_range(range, lport), remote = service_in_range(range, rport);

	if (!lport || !rport)
		local = remote = 0;
	return service_side_of(owner, listens, local, remote);
}

/* The service's port, 0: not known. */
SERVICE_FN __u16 service_port(__u8 side, __u16 lport, __u16 rport)
{
	return side == SERVICE_LOCAL ? lport : side == SERVICE_REMOTE ? rport : 0;
}

#endif /* TCPDWELL_SERVICE_H */
