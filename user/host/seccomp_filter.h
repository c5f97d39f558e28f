/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The system calls that are left once all is attached. Each other one fails with EPERM; none kills.
 *
 * What the filter lets pass is what the loops of the commands use: the descriptors that they have,
 * memory that is not executed, time, signals of their own, and the commands of bpf(2) that neither
 * load a program nor attach one to an event. seccomp_filter_none.c stands for it where libseccomp
 * is missing at build time.
 */
#ifndef TCPDWELL_SECCOMP_FILTER_H
#define TCPDWELL_SECCOMP_FILTER_H

#include <stdbool.h>

struct seccomp_needs {
	bool files;    /* to open files, for reading alone, and to list directories */
	bool sockdiag; /* to make sockets of sock_diag where the process is */
	bool serves;   /* to accept connections where it listens */
};

/*
 * Puts the filter on all threads of the process. Returns 0, -ENOSYS if the build has none, or the
 * -errno of the kernel. no_new_privs must be set, or CAP_SYS_ADMIN be there.
 */
int seccomp_filter_install(const struct seccomp_needs *needs);

/*
 * The same for the steward (steward.h), which opens files for reading, enters network namespaces,
 * makes sockets of sock_diag and BPF iterators, and does nothing else.
 */
int seccomp_filter_install_looks(void);

/* Whether the build has one. */
bool seccomp_filter_exists(void);

#endif /* TCPDWELL_SECCOMP_FILTER_H */
