// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/privilege.h"

/* linux/capability.h of older distributions lacks them (both since 5.8). */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

struct sets {
	uint64_t effective, permitted;
};

static int sets_get(struct sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data))
		return -errno;
	sets->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	sets->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

static int sets_put(const struct sets *sets)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = sets->effective, .permitted = sets->permitted },
		{ .effective = sets->effective >> 32, .permitted = sets->permitted >> 32 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static bool has(const struct sets *sets, int capability)
{
	return sets->effective >> capability & 1;
}

int privilege_check(struct failure *failure)
{
	struct sets sets;
	bool bpf, perfmon;

	if (sets_get(&sets))
		return 0; /* the kernel will say what it misses */
	bpf = has(&sets, CAP_BPF) || has(&sets, CAP_SYS_ADMIN);
	perfmon = has(&sets, CAP_PERFMON) || has(&sets, CAP_SYS_ADMIN);
	if (bpf && perfmon)
		return 0;
	return failure_set(
		failure, STATUS_HOST,
		"missing %s%s%s: run as root, or `setcap cap_bpf,cap_perfmon+ep` on a copy",
		bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ", perfmon ? "" : "CAP_PERFMON");
}

int privilege_drop(void)
{
	struct sets sets;
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	err = sets_get(&sets);
	if (err)
		return err;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	sets.permitted &= 1ULL << CAP_BPF;
	sets.effective = sets.permitted;
	return sets_put(&sets);
}
