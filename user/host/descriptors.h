/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds out who holds which socket, from /proc/PID/fd of each process that the caller may look into
 * (proc(5): CAP_SYS_PTRACE for other users' processes). Process numbers are those of the caller's
 * PID namespace. Processes outside of it are not seen.
 *
 * A process that has an io_uring also holds its fixed files, to which no descriptor leads. Since
 * 6.7 fdinfo tells which sockets they are. Before, it has no more than "TCP" for each.
 *
 * As in procfs.h, @root stands for `/`, "" for the real one. One thread at a time. Memory is 16
 * bytes for each descriptor of a socket, and 20 for each process.
 */
#ifndef TCPDWELL_DESCRIPTORS_H
#define TCPDWELL_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

struct descriptors;

/* One of the descriptors that lead to sockets, and all that is told of it. */
struct descriptor_holder {
	uint32_t inode; /* of the socket, in sockfs; never 0 */
	uint32_t pid;
	uint32_t fd;		      /* TCPDWELL_NO_FD: a fixed file of io_uring */
	char comm[TCPDWELL_COMM_LEN]; /* of the process, ended by a NUL; empty: not known */
};

/* @holder is valid only during the call. Returns 0 to go on, or -errno, which ends the walk. */
typedef int descriptors_visit(void *context, const struct descriptor_holder *holder);

/*
 * Visits the descriptors of all processes, one process after another. @closed gets how many
 * processes could not be looked into. Returns 0, what a visit returned, or -errno if there is no
 * /proc.
 */
int descriptors_each(const char *root, descriptors_visit *visit, void *context,
		     unsigned int *closed);

/*
 * Returns the socket's inode of a fixed file, from its line of an io_uring's fdinfo, which ends by
 * a NUL. Returns 0 if the line is about something else, or if the kernel does not tell. @files is
 * kept from line to line, because the lines of files follow each other; it is false before the
 * first line.
 */
uint32_t descriptors_fixed_file(const char *line, bool *files);

/* A descriptor that leads to a socket. */
struct descriptor {
	uint32_t inode; /* of the socket, in sockfs; never 0 */
	uint32_t pid;
	uint32_t fd;	 /* TCPDWELL_NO_FD: a fixed file of io_uring that has no descriptor */
	uint32_t holder; /* an index for descriptors_comm() */
};

/*
 * Takes all descriptors, as descriptors_each() does. Returns NULL with errno set if there is no
 * memory or no /proc. The caller frees it.
 */
struct descriptors *descriptors_new(const char *root, unsigned int *closed);

/* Makes an empty collection for descriptors_add(). Returns NULL with errno set. */
struct descriptors *descriptors_empty(void);

/* Adds one (descriptors_visit). Those of a process must follow each other. Returns 0 or -errno. */
int descriptors_add(void *descriptors, const struct descriptor_holder *holder);

/* To be called when all have been added, before the first descriptors_find(). */
void descriptors_done(struct descriptors *descriptors);

/* NULL-safe. */
void descriptors_free(struct descriptors *descriptors);

/*
 * Returns the descriptors that lead to the socket of this inode, ordered by process, or NULL if
 * there are none. @count gets how many there are.
 */
const struct descriptor *descriptors_find(const struct descriptors *descriptors, uint32_t inode,
					  size_t *count);

/*
 * Returns the name of the descriptor's process, ended by a NUL. It is empty if it could not be
 * read.
 */
const char *descriptors_comm(const struct descriptors *descriptors,
			     const struct descriptor *descriptor);

#endif /* TCPDWELL_DESCRIPTORS_H */
