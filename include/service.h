/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which end of a connection is the service, and so which of its ports names it. The functions are
 * pure, and the same for all commands and both sides of the ring.
 *
 * The end that connected is a client. A connection that came from a listener is the server's end of
 * it. A port with a listener is a service's. Where none of that is known (the listener is gone,
 * TPROXY, a socket that is older than the tracer), the range from which connect() takes ports
 * decides: if just one of the two ports is in it, that one is the client's. If both are in it, or
 * neither is, the side is not known.
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

/* Bits: what is known about listeners in the connection's network namespace. */
enum service_listener {
	SERVICE_LISTENS_LOCAL = 1 << 0,	 /* at the local port */
	SERVICE_LISTENS_REMOTE = 1 << 1, /* at the remote port, and both ends are on this host */
};

/* net.ipv4.ip_local_port_range, or the socket's IP_LOCAL_PORT_RANGE where that was seen. */
struct service_range {
	__u16 low;
	__u16 high; /* inclusive */
};

SERVICE_FN int service_in_range(struct service_range range, __u16 port)
{
	return port >= range.low && port <= range.high;
}

/* The same as service_side(), for a caller that knows which of the two ports are in the range. */
SERVICE_FN __u8 service_side_of(__u8 owner, __u32 listens, int local, int remote)
{
	if (owner == TCPDWELL_OWNER_CONNECT)
		return SERVICE_REMOTE;
	if (owner == TCPDWELL_OWNER_LISTEN || owner == TCPDWELL_OWNER_ACCEPT)
		return SERVICE_LOCAL;
	/*
	 * If both listen, the range decides: a client cannot take a listener's port, but may bind()
	 * to one beside it.
	 */
	if (listens == SERVICE_LISTENS_LOCAL)
		return SERVICE_LOCAL;
	if (listens == SERVICE_LISTENS_REMOTE)
		return SERVICE_REMOTE;
	if (local == remote)
		return SERVICE_UNKNOWN;
	return local ? SERVICE_REMOTE : SERVICE_LOCAL;
}

/*
 * Returns the side that this end is on (enum service_side). @owner is enum tcpdwell_owner: connect,
 * listen and accept say which side it is, the other values say nothing. A port of 0 is not known;
 * if either is 0, the range decides nothing.
 */
SERVICE_FN __u8 service_side(__u8 owner, __u32 listens, __u16 lport, __u16 rport,
			     struct service_range range)
{
	int local = service_in_range(range, lport), remote = service_in_range(range, rport);

	if (!lport || !rport)
		local = remote = 0;
	return service_side_of(owner, listens, local, remote);
}

/* Returns the service's port; 0 if it is not known. */
SERVICE_FN __u16 service_port(__u8 side, __u16 lport, __u16 rport)
{
	return side == SERVICE_LOCAL ? lport : side == SERVICE_REMOTE ? rport : 0;
}

#endif /* TCPDWELL_SERVICE_H */
