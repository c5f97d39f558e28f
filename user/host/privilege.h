/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Checks which capabilities are missing at the start, and gives up those that are not needed any
 * more.
 *
 * The kernel keeps a user, its groups and its capabilities for each thread. So each thread gives up
 * its own before it does anything else: the one that calls privilege_drop(), and each that
 * privilege_thread_start() starts. The filter of system calls (seccomp_filter.h) is put on all
 * threads at once.
 *
 * The plan belongs to the process, as privileges do. One thread calls all of these functions.
 */
#ifndef TCPDWELL_PRIVILEGE_H
#define TCPDWELL_PRIVILEGE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"

struct notice;

/* What a run still needs once all is attached. All zero is the least. */
struct privilege_needs {
	const char *user; /* whom to become, by name or number; NULL: nobody, if root runs it */
	bool files;	  /* it opens files for reading that everybody may read */
	bool serves;	  /* it accepts connections */
	bool looks_again; /* by a steward (steward.h): only sockets of sock_diag may be made */
};

/*
 * Returns 0 if the process may load and attach programs, or -1 with @failure, which names the
 * missing capabilities. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, as it does in the kernel
 * (5.8).
 */
int privilege_check(struct failure *failure);

/*
 * Plans for what the run will need. To be called before threads are started. What @needs points to
 * must outlive the run. Returns 0, or -1 with @failure: there is no such user (an error of use),
 * the process lacks CAP_SETUID or CAP_SETGID, or the list of users cannot be read.
 */
int privilege_plan(const struct privilege_needs *needs, struct failure *failure);

/*
 * Starts @work in a thread. The thread first becomes the plan's user, and gives up all
 * capabilities. It keeps CAP_BPF if @makes_maps. Signals go to the caller's thread. Returns 0 or
 * -errno, also if the thread could not give up what it had.
 */
int privilege_thread_start(pthread_t *thread, bool makes_maps, void *(*work)(void *argument),
			   void *argument);

/*
 * Gives up all that the plan does not need, and the way to new privileges (no_new_privs). To be
 * called once all is attached and all threads are started. If libseccomp or the kernel has no
 * filter, it goes on without one. Returns 0, or -1 with @failure filled.
 */
int privilege_drop(const struct notice *notice, struct failure *failure);

/*
 * For the steward, in its process: becomes the plan's user. It keeps CAP_SYS_ADMIN, CAP_SYS_PTRACE
 * and CAP_DAC_READ_SEARCH, as far as they are there. Without a plan the tracer gives up nothing, so
 * it keeps its user and what capabilities there are: root in a container, which lacks
 * CAP_SYS_PTRACE, may look at its equals only. Either way it gets a filter of system calls that
 * lets it look. Before that it calls @before_filter, unless that is NULL: it may fork, and returns
 * 0 or -errno. Returns 0 or -errno.
 */
int privilege_keep_looks(int (*before_filter)(void *context), void *context);

/* ---- What users are told of it ---- */

/* What a command keeps once all is attached. */
struct privilege_row {
	const char *command;
	const char *kept; /* "nothing", or capabilities and whatever else */
	const char *why;  /* NULL: nothing is kept */
};

/* Returns the rows, which are constants. The last one's command is NULL. */
const struct privilege_row *privilege_rows(void);

/* What holds for all commands in this process, on this kernel. */
struct privilege_state {
	uint32_t uid;  /* whom the process becomes if no option says */
	bool filter;   /* the build has a filter of system calls */
	bool bpf_asks; /* the kernel asks for CAP_BPF at each call */
};

void privilege_state(struct privilege_state *state);

#endif /* TCPDWELL_PRIVILEGE_H */
