/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRAFFIC_PUPPET_H
#define TRAFFIC_PUPPET_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

/*
 * A puppet is a child process that makes the system calls that it is told to make. Each end of a
 * connection belongs to a separate puppet, so that its owner is a process of its own, which may
 * live in a network namespace of its own.
 *
 * Ownership: puppet_start() makes a puppet; puppet_free() ends and reaps the process, and is
 * NULL-safe. A puppet dies with the process that started it.
 *
 * Threading: one caller at a time. A call returns when the puppet's system call has returned, so
 * sockets should not block.
 *
 * Errors: -errno.
 */
struct puppet;

enum { PUPPET_BYTES = 64 * 1024 };

/*
 * Pointers in the arguments of puppet_call() must point into this, which both processes map at the
 * same address.
 */
struct puppet_memory {
	struct sockaddr_storage addr;
	struct sockaddr_storage addr_set;
	socklen_t len;
	int value;
	struct linger linger;
	uint64_t cookie;
	struct tcp_info info;
	struct pollfd poll;
	struct timespec timeout;
	struct sock_fprog program;
	struct sock_filter filter[8];
	char path[4096];
	unsigned char bytes[PUPPET_BYTES];
};

/*
 * @netns_path: the network namespace to enter; NULL: the caller's. @uid (uid_t)-1 keeps the user.
 */
int puppet_start(struct puppet **puppetp, const char *comm, const char *netns_path, uid_t uid);
void puppet_free(struct puppet *puppet);

/*
 * Returns the result of the system call @nr in the puppet; -errno if it failed or the puppet is
 * gone.
 */
long puppet_call6(struct puppet *puppet, long nr, const long args[6]);
#define puppet_call(puppet, nr, ...) puppet_call6(puppet, nr, (const long[6]){ __VA_ARGS__ })

struct puppet_memory *puppet_memory(struct puppet *puppet);
pid_t puppet_pid(const struct puppet *puppet);
uid_t puppet_uid(const struct puppet *puppet);
const char *puppet_comm(const struct puppet *puppet);
/* Returns the inode of its network namespace. */
uint64_t puppet_netns(const struct puppet *puppet);
/*
 * Returns its namespace's table of TCP sockets, which is open for reading while the puppet object
 * exists.
 */
int puppet_table(const struct puppet *puppet, bool ipv6);

/* Ends the process as exit() does, with its sockets still open, and reaps it. */
int puppet_exit(struct puppet *puppet);
bool puppet_gone(const struct puppet *puppet);

#endif
