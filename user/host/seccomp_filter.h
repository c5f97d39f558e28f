/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A filter that leaves the system calls that are needed once all is attached. Each other call fails
 * with EPERM, and none kills.
 *
 * The filter lets pass what the loops of the commands use: the descriptors that they have, memory
 * that is not executed, time, signals to the process itself, and the commands of bpf(2) that
 * neither load a program nor attach one to an event. seccomp_filter_none.c stands in where
 * libseccomp is missing at build time.
 */
#ifndef TCPDWELL_SECCOMP_FILTER_H
#define TCPDWELL_SECCOMP_FILTER_H

#include <stdbool.h>

struct seccomp_needs {
	bool files;    /* to open files for reading only, and to list directories */
	bool sockdiag; /* to make sockets of sock_diag in the process's own namespace */
	bool serves;   /* to accept connections on the sockets that listen */
};

/*
 * Puts the filter on all threads of the process. Returns 0, -ENOSYS if the build has no filter, or
 * -errno of the kernel. no_new_privs must be set, or the process must have CAP_SYS_ADMIN.
 */
int seccomp_filter_install(const struct seccomp_needs *needs);

/*
 * Does the same for the steward (steward.h). It opens files for reading, enters network namespaces,
 * makes sockets of sock_diag and BPF iterators, and does nothing else.
 */
int seccomp_filter_install_looks(void);

/* Returns true if the build has a filter. */
bool seccomp_filter_exists(void);

#endif /* TCPDWELL_SECCOMP_FILTER_H */
