/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets of a snapshot. Records about the same socket are merged, and the holders of each
 * socket are known. A socket takes 272 bytes, a descriptor 28. Pure, one thread at a time.
 */
#ifndef TCPDWELL_SOCKETS_H
#define TCPDWELL_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct sockets;
struct filters;
struct named_cgroup;

/*
 * A descriptor that leads to a socket, or a process that has the socket as a fixed file of
 * io_uring.
 */
struct socket_holder {
	uint32_t pid;
	uint32_t fd;   /* TCPDWELL_NO_FD: a fixed file */
	uint32_t next; /* for sockets_next_holder() */
	char comm[TCPDWELL_COMM_LEN];
};

struct socket_seen {
	struct tcpdwell_socket info; /* pid: whom it counts for, 0: nobody; fd: pid's lowest */
	uint32_t holders;	     /* number of processes */
	uint32_t first;		     /* for sockets_first_holder() */
	uint32_t receiver;	     /* for sockets_receiver() */
	const struct named_cgroup *cgroup; /* where it was made; NULL: not known, or not asked */
};

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct sockets *sockets_new(void);

/* NULL-safe. */
void sockets_free(struct sockets *sockets);

/* Forgets all sockets, but keeps the memory for the next snapshot. */
void sockets_clear(struct sockets *sockets);

/* Adds a record. Returns 0 or -errno. */
int sockets_add(struct sockets *sockets, const struct tcpdwell_socket *record);

size_t sockets_count(const struct sockets *sockets);

/* Returns the @i-th socket. The order has no meaning. */
const struct socket_seen *sockets_at(const struct sockets *sockets, size_t i);

/* Return the descriptors of a socket, one by one; NULL after the last one. */
const struct socket_holder *sockets_first_holder(const struct sockets *sockets,
						 const struct socket_seen *socket);
const struct socket_holder *sockets_next_holder(const struct sockets *sockets,
						const struct socket_holder *holder);

/* Sets what the cgroup of the @i-th socket is called. @cgroup must live as long as the sockets. */
void sockets_set_cgroup(struct sockets *sockets, size_t i, const struct named_cgroup *cgroup);

/*
 * Returns the only process that can receive the socket, because it is in flight in the queue of
 * that process's unix socket. That process is no holder. Returns NULL if the socket is not in
 * flight, or if others hold it or can receive it, too.
 */
const struct socket_holder *sockets_receiver(const struct sockets *sockets,
					     const struct socket_seen *socket);

/*
 * Returns true if the socket listens and has no room for another connection (sk_acceptq_is_full()).
 */
bool sockets_queue_is_full(const struct socket_seen *socket);

/*
 * Returns true if the filters that the kernel side leaves to user space want the socket: by process
 * (any holder will do), by name of a cgroup, and by state. Without states, a socket in CLOSE (never
 * connected, or over) is not wanted, as ss leaves it out.
 */
bool sockets_wanted(const struct sockets *sockets, const struct socket_seen *socket,
		    const struct filters *filters);

#endif /* TCPDWELL_SOCKETS_H */
