/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Capabilities: which are missing at start, and giving up those that are not needed any more.
 */
#ifndef TCPDWELL_PRIVILEGE_H
#define TCPDWELL_PRIVILEGE_H

#include "base/failure.h"

/*
 * Returns 0 if the process may load and attach programs, else -1 with the missing capabilities
 * named. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, as it does in the kernel (5.8).
 */
int privilege_check(struct failure *failure);

/*
 * Gives up all capabilities but CAP_BPF, which kernels before 5.19 ask for at each bpf(2) call, and
 * the way to new ones (no_new_privs). To be called once all is attached. Returns 0 or -errno.
 */
int privilege_drop(void);

#endif /* TCPDWELL_PRIVILEGE_H */
