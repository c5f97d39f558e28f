/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads what /proc says of a process. As in procfs.h, @root stands for `/`, "" for the real one.
 *
 * At any moment the process may vanish, or not be the caller's to look at. What cannot be read
 * stays unknown. Any thread.
 */
#ifndef TCPDWELL_PROCFS_PROCESS_H
#define TCPDWELL_PROCFS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/container.h"

#define PROCFS_TEXT_BYTES 512
#define PROCFS_CALL_BYTES 24

struct procfs_process {
	/*
	 * The command line with blanks between words, and "…" at its end if it is cut; empty:
	 * unknown.
	 */
	char command[PROCFS_TEXT_BYTES];
	char cgroup[PROCFS_TEXT_BYTES]; /* path in the version 2 hierarchy; empty: unknown */
	struct container container;
	uint64_t fds;	   /* open descriptors, 0: unknown */
	uint64_t fd_limit; /* limit of descriptors (RLIMIT_NOFILE), 0: unknown */
	char state;	   /* of its first thread: a letter of proc(5); NUL: unknown */
	/* The system call that its first thread sleeps in; empty: none, or unknown. */
	char call[PROCFS_CALL_BYTES];
	uint32_t threads; /* 0: unknown */
	bool ring;	  /* an io_uring is among its lowest descriptors */
};

/*
 * Reads about @pid, which must be named @comm. If it has another name, the number belongs to
 * another process by now or to another PID namespace, and nothing is known.
 */
void procfs_process_read(const char *root, uint32_t pid, const char *comm,
			 struct procfs_process *process);

/*
 * Does the same but for the command line, which alone may take for ever: it is in memory that the
 * process may have locked. Returns true if @pid is named @comm.
 */
bool procfs_process_read_rest(const char *root, uint32_t pid, const char *comm,
			      struct procfs_process *process);

/* Returns true if @pid exists, is named @comm and has not ended. */
bool procfs_process_is(const char *root, uint32_t pid, const char *comm);

/*
 * Writes the name of the system call that thread @tid sleeps in, such as "epoll_wait"; empty if it
 * runs, or if the name is not known.
 */
void procfs_call_read(const char *root, uint32_t tid, char name[PROCFS_CALL_BYTES]);

/*
 * Returns the process that thread @tid belongs to, which is @tid itself for the first thread, or 0
 * if there is no such thread. @state gets the letter of proc(5), such as Z for a zombie, or NUL.
 */
uint32_t procfs_process_of_thread(const char *root, uint32_t tid, char *state);

#endif /* TCPDWELL_PROCFS_PROCESS_H */
