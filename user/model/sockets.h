/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sockets of one snapshot: records that tell of the same socket are put together, and who holds
 * each is known. Pure, one thread at a time. 272 bytes a socket and 28 a descriptor.
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

/* A descriptor that leads to a socket, or a process that has it as a fixed file of io_uring. */
struct socket_holder {
	uint32_t pid;
	uint32_t fd;   /* TCPDWELL_NO_FD: a fixed file */
	uint32_t next; /* for sockets_next_holder() */
	char comm[TCPDWELL_COMM_LEN];
};

struct socket_seen {
	struct tcpdwell_socket
		info;	   /* pid: who it counts for, 0: nobody; fd: the lowest of pid's */
	uint32_t holders;  /* processes */
	uint32_t first;	   /* for sockets_first_holder() */
	uint32_t receiver; /* for sockets_receiver() */
	const struct named_cgroup *cgroup; /* that it was made in; NULL: not known, or not asked */
};

/* Returns NULL with errno set if there is no memory. The caller frees it. */
struct sockets *sockets_new(void);

/* NULL-safe. */
void sockets_free(struct sockets *sockets);

/* Forgets all sockets and keeps the memory for the next snapshot. */
void sockets_clear(struct sockets *sockets);

/* Adds what a record says. Returns 0 or -errno. */
int sockets_add(struct sockets *sockets, const struct tcpdwell_socket *record);

size_t sockets_count(const struct sockets *sockets);

/* The @i-th, in no order that means anything. */
const struct socket_seen *sockets_at(const struct sockets *sockets, size_t i);

/* The descriptors of a socket, NULL ends them. */
const struct socket_holder *sockets_first_holder(const struct sockets *sockets,
						 const struct socket_seen *socket);
const struct socket_holder *sockets_next_holder(const struct sockets *sockets,
						const struct socket_holder *holder);

/* Says what the cgroup of the @i-th is called, which must live as long. */
void sockets_set_cgroup(struct sockets *sockets, size_t i, const struct named_cgroup *cgroup);

/*
 * The process that alone can receive it, as it is in flight in the queue of a unix socket of that
 * one's; NULL: it is not, or others hold it or may receive it, too. It is no holder.
 */
const struct socket_holder *sockets_receiver(const struct sockets *sockets,
					     const struct socket_seen *socket);

/* Whether it listens, and has no room for one more connection (sk_acceptq_is_full()). */
bool sockets_queue_is_full(const struct socket_seen *socket);

/*
 * Whether the filters that the kernel side leaves to us want the socket: processes, of which any
 * holder will do, names of cgroups, and states. Without states, a socket in CLOSE (one that was
 * never connected, or is over) is not wanted, as ss leaves it out.
 */
bool sockets_wanted(const struct sockets *sockets, const struct socket_seen *socket,
		    const struct filters *filters);

#endif /* TCPDWELL_SOCKETS_H */
