/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Takes rights away from the running process, before it reads what others wrote. There is no way
 * back, and processes that it forks later have no more rights. One thread.
 *
 * All functions but one return 0 or -errno. After an error the process must not do what it was to
 * be confined for.
 */
#ifndef TCPDWELL_CONFINE_H
#define TCPDWELL_CONFINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

/*
 * The number of the user and the group that the kernel itself uses for nobody (kernel.overflowuid,
 * 2.4).
 */
#define CONFINE_NOBODY 65534

/*
 * Becomes another user, if the process may. It then has no supplementary group, no capability in
 * any set and no way to new privileges, dumps no core, and other processes cannot trace it.
 */
int confine_identity(void);

/*
 * Makes the standard files /dev/null, and closes all others but @kept. Returns the new descriptor
 * of @kept, or -errno.
 */
int confine_files(int kept);

/*
 * Resets all signals to their defaults, and blocks all but @heard, or all if it is 0. Signals are
 * for the parent, which ends this process by closing its socket. What the parent does about a fault
 * does not concern this process.
 */
void confine_signals(int heard);

/* Sets a limit, unless it is lower already. */
int confine_limit(int resource, rlim_t limit);

/*
 * A system call that is allowed: always, or only if the bits @mask of argument @argument have the
 * value @value.
 */
struct confine_call {
	int number;
	unsigned int argument;
	uint64_t mask; /* 0: the call is always allowed */
	uint64_t value;
};

/*
 * Makes all system calls but these fail with EPERM. Returns -ENOSYS in a build without libseccomp.
 */
int confine_calls(const struct confine_call *calls, size_t count);

#endif /* TCPDWELL_CONFINE_H */
