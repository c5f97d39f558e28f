/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Takes rights away from the running process, for one that reads what others wrote. There is no way
 * back, and what is forked later has no more. One thread.
 *
 * All but one return 0 or -errno; after an error the process must not go on to what it was confined
 * for.
 */
#ifndef TCPDWELL_CONFINE_H
#define TCPDWELL_CONFINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/* The user and group that the kernel itself takes for nobody (kernel.overflowuid, since 2.4). */
#define CONFINE_NOBODY 65534

/*
 * Another user, if the process may become one; no supplementary group, no capability in any set, no
 * new privileges, no core, no other process's ptrace.
 */
int confine_identity(void);

/*
 * Standard files become /dev/null, all others but @kept are closed. Returns the descriptor that
 * @kept is now, or -errno.
 */
int confine_files(int kept);

/*
 * Signals do what they do by default, and all are blocked but @heard, 0: none. They are for whoever
 * started the process, who ends it by closing its socket; what that one does about a fault is
 * nothing for those who come from here.
 */
void confine_signals(int heard);

/* A limit that is lower already stays. */
int confine_limit(int resource, rlim_t limit);

/*
 * A system call that is allowed: always, or where the bits @mask of argument @argument have the
 * value @value.
 */
struct confine_call {
	int number;
	unsigned int argument;
	uint64_t mask; /* 0: always */
	uint64_t value;
};

/* All system calls but these fail with EPERM. -ENOSYS in a build without libseccomp. */
int confine_calls(const struct confine_call *calls, size_t count);

#endif /* TCPDWELL_CONFINE_H */
