/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Readers: children of the steward (steward_server.h) that read what may never answer. The command
 * line of a process lies in memory that the process may have locked while it waits for a file; the
 * files of container runtimes and mapped files may lie on a server that is gone.
 *
 * There are READERS of them, as the steward may not fork once it has its filter of system calls.
 * A reader that does not answer within a second is left alone until it does. Meanwhile nothing more
 * is asked about the process that it was asked about, or, unless that is root's, about any process
 * of the same user: who locks one process could lock a thousand. If all readers are left alone,
 * nothing is read until one of them comes back.
 *
 * One thread at a time. Descriptors that are returned belong to the caller, and are close-on-exec.
 */
#ifndef TCPDWELL_STEWARD_READER_H
#define TCPDWELL_STEWARD_READER_H

#include <stdint.h>

#include "host/procfs_process.h"

#define READERS 4

struct readers;

/*
 * Starts the readers, with the rights of the caller. Each puts on a filter of system calls before
 * it reads anything. @root stands for `/`, "" for the real one. Returns NULL with errno set. The
 * readers end with the caller.
 */
struct readers *readers_new(const char *root);

/*
 * Ends the readers, and waits a moment for them, so that none is left to a process that waits for
 * no child. One that does not answer is killed when the caller ends.
 */
void readers_end(struct readers *readers);

/*
 * Does what procfs_process_read() says. Returns 0, or -ETIMEDOUT or another -errno if the command
 * line is not known for want of an answer; all else is there.
 */
int readers_process(struct readers *readers, uint32_t pid, const char *comm,
		    struct procfs_process *process);

/* Does what container_files_name() says. Returns 0, or -errno as above, and @container stays. */
int readers_name(struct readers *readers, struct container *container);

/* Opens the file that the process maps as code at @start. Returns its descriptor or -errno. */
int readers_open_mapped(struct readers *readers, uint32_t pid, uint64_t start);

/* Does what perf_map_open() says. */
int readers_open_perf_map(struct readers *readers, uint32_t pid, uint32_t *inner);

#endif /* TCPDWELL_STEWARD_READER_H */
