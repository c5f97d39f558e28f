/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small process that keeps the rights to look into the network namespaces and at the processes of
 * others. So the tracer, which reads what the kernel and all of them write, keeps none of these
 * rights.
 *
 * It is forked before the tracer has threads or descriptors. It becomes another user, and keeps
 * CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (before 5.19 also CAP_BPF). It cannot be
 * traced, and has a filter of system calls of its own. It takes requests of one size
 * (steward_wire.h), none of which names a path. So whoever has taken over the tracer learns what
 * the tracer learns, and no more. It ends with the tracer.
 *
 * What may never answer is read by children of the steward (steward_reader.h).
 *
 * The steward is lost if it is killed, does not answer for long, or gives an impossible answer.
 * That is said once. All later requests return STEWARD_LOST at once, and what they asked for is
 * unknown.
 *
 * One thread at a time. Descriptors that are returned belong to the caller, and are close-on-exec.
 */
#ifndef TCPDWELL_STEWARD_H
#define TCPDWELL_STEWARD_H

#include <errno.h>
#include <stdint.h>

#include "host/netns_walk.h"
#include "host/procfs_process.h"

/* The steward is lost: this is not an error of the request. */
#define STEWARD_LOST (-EOWNERDEAD)

struct notice;
struct descriptors;
struct steward;

/* What a BPF iterator goes through. */
enum steward_iterator {
	STEWARD_ITERATOR_DESCRIPTORS, /* the descriptors of all processes */
	STEWARD_ITERATOR_SOCKETS,     /* the sockets of one network namespace */
	STEWARD_ITERATORS,
};

/*
 * Forks the steward, with the privileges that privilege_plan() was told of. @root stands for `/`,
 * "" for the real one, but not in what is of network namespaces. Returns NULL with errno set. The
 * caller frees it.
 */
struct steward *steward_new(const char *root, const struct notice *notice);

/* Ends the steward. NULL-safe. */
void steward_free(struct steward *steward);

/*
 * Sets the descriptor @stops, which is readable once the tool was told to end. From then on no
 * answer is waited for longer than half a second. The descriptor stays the caller's, and must
 * outlive the steward.
 */
void steward_heed(struct steward *steward, int stops);

/* Returns its process number, for tests. */
int steward_pid(const struct steward *steward);

/* ---- Network namespaces ---- */

/* Does what netns_walk() says, from outside: each @place has the steward. */
int steward_each_netns(struct steward *steward, uint32_t only, netns_walk_visit *visit,
		       void *context, unsigned int *closed);

/* Opens a socket of sock_diag in the namespace of this inode. Returns its descriptor or -errno. */
int steward_open_sockdiag(struct steward *steward, uint32_t netns);

/* Opens a file of netns_file.h there. Returns its descriptor or -errno. */
int steward_open_net_file(struct steward *steward, uint32_t netns, unsigned int which);

/* ---- BPF ---- */

/*
 * Hands over a link that iterators can be made from. The caller keeps it, too. This can be done
 * once for each kind, while the tracer can still be trusted: a second link is refused with -EEXIST.
 * Returns 0 or -errno.
 */
int steward_take_link(struct steward *steward, enum steward_iterator which, int link);

/*
 * Opens an iterator, in the namespace of this inode where that matters. Returns its descriptor or
 * -errno.
 */
int steward_open_iterator(struct steward *steward, enum steward_iterator which, uint32_t netns);

/* ---- Processes ---- */

/* Does what descriptors_new() says. */
struct descriptors *steward_descriptors(struct steward *steward, unsigned int *closed);

/* Does what procfs_process_read() says. If the steward is lost, nothing is known. */
void steward_process(struct steward *steward, uint32_t pid, const char *comm,
		     struct procfs_process *process);

/*
 * Finds the path of a cgroup by its id, as cgroup.h has it, and what the path means, with the names
 * that container_files.h finds. Returns 0, -ENOENT or another -errno.
 */
int steward_cgroup(struct steward *steward, uint64_t id, char *path, unsigned int size,
		   struct container *container);

/* Opens /proc/PID/maps. Returns its descriptor or -errno. */
int steward_open_maps(struct steward *steward, uint32_t pid);

/*
 * Opens the file that the process maps as code at @start, as procfs_map_open() says. Returns its
 * descriptor or -errno.
 */
int steward_open_mapped(struct steward *steward, uint32_t pid, uint64_t start);

/* Does what perf_map_open() says. */
int steward_open_perf_map(struct steward *steward, uint32_t pid, uint32_t *inner);

#endif /* TCPDWELL_STEWARD_H */
