/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small process that keeps what it takes to look into the network namespaces and at the processes
 * of others, so that the tracer, which reads what the kernel and all of them write, keeps nothing.
 *
 * It is forked before the tracer has threads or descriptors, becomes another user, keeps
 * CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (before 5.19 also CAP_BPF), cannot be
 * traced, has a filter of system calls of its own, and takes requests of one size (steward_wire.h),
 * none of which names a path: whoever has got hold of the tracer is told what the tracer is, and no
 * more. It ends with the tracer.
 *
 * Where it is killed, does not answer for long, or answers what cannot be, the steward is lost:
 * that is said once, all later requests answer STEWARD_LOST at once, and what they asked for is
 * unknown.
 *
 * One thread at a time. Descriptors that are returned are the caller's, and close-on-exec.
 */
#ifndef TCPDWELL_STEWARD_H
#define TCPDWELL_STEWARD_H

#include <errno.h>
#include <stdint.h>

#include "host/netns_walk.h"
#include "host/procfs_process.h"

/* No error of a request: there is nobody to ask. */
#define STEWARD_LOST (-EOWNERDEAD)

struct notice;
struct descriptors;
struct steward;

/* What BPF iterators go through. */
enum steward_iterator {
	STEWARD_ITERATOR_DESCRIPTORS, /* of all processes */
	STEWARD_ITERATOR_SOCKETS,     /* of one network namespace */
	STEWARD_ITERATORS,
};

/*
 * Forks it, with the privileges that privilege_plan() was told of. @root stands for `/`, "" for the
 * real one, but in what is of network namespaces. NULL with errno set. The caller frees it.
 */
struct steward *steward_new(const char *root, const struct notice *notice);

/* Ends it. NULL-safe. */
void steward_free(struct steward *steward);

/*
 * Once @stops is readable, the tool was told to end, and no answer is waited for longer than half a
 * second. The descriptor stays the caller's, and must outlive the steward.
 */
void steward_heed(struct steward *steward, int stops);

/* Its process, for tests. */
int steward_pid(const struct steward *steward);

/* ---- Network namespaces ---- */

/* As netns_walk() says, from outside: @place has the steward. */
int steward_each_netns(struct steward *steward, uint32_t only, netns_walk_visit *visit,
		       void *context, unsigned int *closed);

/* A socket of sock_diag in the namespace of this inode; or -errno. */
int steward_open_sockdiag(struct steward *steward, uint32_t netns);

/* A file of netns_file.h there; or -errno. */
int steward_open_net_file(struct steward *steward, uint32_t netns, unsigned int which);

/* ---- BPF ---- */

/*
 * Hands over a link that iterators can be made from, which stays the caller's as well. To be done
 * once, while whoever runs the tracer is still to be trusted: a second one is refused with -EEXIST.
 * Returns 0 or -errno.
 */
int steward_take_link(struct steward *steward, enum steward_iterator which, int link);

/* An iterator, in the namespace of this inode where that matters; or -errno. */
int steward_open_iterator(struct steward *steward, enum steward_iterator which, uint32_t netns);

/* ---- Processes ---- */

/* As descriptors_new() says. */
struct descriptors *steward_descriptors(struct steward *steward, unsigned int *closed);

/* As procfs_process_read() says: nothing is known where nobody answers. */
void steward_process(struct steward *steward, uint32_t pid, const char *comm,
		     struct procfs_process *process);

/*
 * The path of a cgroup by its id, as cgroup.h has it, and what it means, with the names that
 * container_files.h finds. Returns 0, -ENOENT or another -errno.
 */
int steward_cgroup(struct steward *steward, uint64_t id, char *path, unsigned int size,
		   struct container *container);

/* /proc/PID/maps; or -errno. */
int steward_open_maps(struct steward *steward, uint32_t pid);

/* The file that the process maps as code at @start, as procfs_map_open() says; or -errno. */
int steward_open_mapped(struct steward *steward, uint32_t pid, uint64_t start);

/* As perf_map_open() says. */
int steward_open_perf_map(struct steward *steward, uint32_t pid, uint32_t *inner);

#endif /* TCPDWELL_STEWARD_H */
