/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who holds which socket, as /proc/PID/fd tells it of each process that the caller may look into
 * (proc(5): CAP_SYS_PTRACE for those of others). Numbers of processes are those of the caller's PID
 * namespace, and processes outside of it are not there.
 *
 * A process that has an io_uring holds its fixed files, too, to which no descriptor leads. Of those
 * fdinfo tells which sockets they are since 6.7; before, it has no more than "TCP" of each.
 *
 * As in procfs.h, @root stands for `/`, "" for the real one. One thread at a time. 16 bytes a
 * descriptor of a socket, and 20 a process.
 */
#ifndef TCPDWELL_DESCRIPTORS_H
#define TCPDWELL_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct descriptors;

/* One of the descriptors that lead to sockets, with all that is told of it. */
struct descriptor_holder {
	uint32_t inode; /* of the socket, in sockfs; never 0 */
	uint32_t pid;
	uint32_t fd;		      /* TCPDWELL_NO_FD: it is a fixed file of io_uring */
	char comm[TCPDWELL_COMM_LEN]; /* of the process, ended by NUL, empty: not known */
};

/* @holder is only valid during the call. Returns 0 to go on, or -errno, which ends the walk. */
typedef int descriptors_visit(void *context, const struct descriptor_holder *holder);

/*
 * Goes through all processes, one after another. @closed gets how many could not be looked into.
 * Returns 0, what a visit returned, or -errno: there is no /proc.
 */
int descriptors_each(const char *root, descriptors_visit *visit, void *context,
		     unsigned int *closed);

/*
 * The socket of a fixed file by its line of an io_uring's fdinfo, which ends by NUL; 0: it is
 * something else's, or the kernel does not say. @files is for the next line; false before the
 * first: the lines of files come one after another.
 */
uint32_t descriptors_fixed_file(const char *line, bool *files);

/* A descriptor that leads to a socket. */
struct descriptor {
	uint32_t inode; /* of the socket, in sockfs; never 0 */
	uint32_t pid;
	uint32_t fd;	 /* TCPDWELL_NO_FD: it is a fixed file of io_uring, without another */
	uint32_t holder; /* for descriptors_comm() */
};

/*
 * Takes them all, as descriptors_each() does. Returns NULL with errno set if there is no memory or
 * no /proc. The caller frees it.
 */
struct descriptors *descriptors_new(const char *root, unsigned int *closed);

/* None yet, for descriptors_add(). NULL with errno set. */
struct descriptors *descriptors_empty(void);

/* One more, those of a process one after another (descriptors_visit). Returns 0 or -errno. */
int descriptors_add(void *descriptors, const struct descriptor_holder *holder);

/* All have been added: they can be looked for. */
void descriptors_done(struct descriptors *descriptors);

/* NULL-safe. */
void descriptors_free(struct descriptors *descriptors);

/*
 * Those that lead to the socket of this inode, by process; @count gets how many. NULL if there are
 * none.
 */
const struct descriptor *descriptors_find(const struct descriptors *descriptors, uint32_t inode,
					  size_t *count);

/* The name of the process that has it, ended by NUL, empty if that could not be read. */
const char *descriptors_comm(const struct descriptors *descriptors,
			     const struct descriptor *descriptor);

#endif /* TCPDWELL_DESCRIPTORS_H */
