// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/notice.h"
#include "base/thread.h"
#include "host/privilege.h"
#include "host/seccomp_filter.h"
#include "host/users.h"

/* linux/capability.h of older distributions lacks these two (both since 5.8). */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

#define BIT(capability) (1ULL << (capability))

/* The capabilities to look at the processes and into the network namespaces of others. */
#define LOOKS (BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH))

struct sets {
	uint64_t effective, permitted;
};

/* What privilege_plan() was told, and what follows from it. */
static struct plan {
	bool made;
	struct privilege_needs needs;
	bool changes; /* the user changes */
	struct user_ids ids;
} plan;

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

/* Sets the capabilities. No capability can be inherited after that. */
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
		return 0; /* the kernel will say what is missing */
	bpf = has(&sets, CAP_BPF) || has(&sets, CAP_SYS_ADMIN);
	perfmon = has(&sets, CAP_PERFMON) || has(&sets, CAP_SYS_ADMIN);
	if (bpf && perfmon)
		return 0;
	return failure_set(
		failure, STATUS_HOST,
		"missing %s%s%s: run as root, or `setcap cap_bpf,cap_perfmon+ep` on a copy",
		bpf ? "" : "CAP_BPF", bpf || perfmon ? "" : " and ", perfmon ? "" : "CAP_PERFMON");
}

static bool may_change_user(void)
{
	struct sets sets;

	return !sets_get(&sets) && has(&sets, CAP_SETUID) && has(&sets, CAP_SETGID);
}

/* Finds the user whom an option asks for, who must exist. */
static int find_asked(const char *user, struct failure *failure)
{
	struct shown shown;
	int err = users_find(user, &plan.ids);

	escape_shown(&shown, user);
	if (err == -ENOENT)
		return failure_set(
			failure, STATUS_USE,
			"--user: '%s' is no user in /etc/passwd: want a name or a number",
			shown.text);
	if (err)
		return failure_set(failure, STATUS_OTHER, "--user: '%s': /etc/passwd: %s",
				   shown.text, strerror(-err));
	if (plan.ids.uid != geteuid() && !may_change_user())
		return failure_set(failure, STATUS_HOST,
				   "--user: to become '%s' takes CAP_SETUID and CAP_SETGID",
				   shown.text);
	return 0;
}

int privilege_plan(const struct privilege_needs *needs, struct failure *failure)
{
	plan = (struct plan){
		.made = true,
		.needs = *needs,
		.changes = needs->user || !geteuid(),
	};
	if (needs->user)
		return find_asked(needs->user, failure);
	if (users_find("nobody", &plan.ids))
		plan.ids = (struct user_ids){ USERS_NOBODY, USERS_NOBODY };
	return 0;
}

/* ---- One thread ---- */

/*
 * Returns true if the kernel asks for CAP_BPF at each call. It does before 5.19 where
 * unprivileged_bpf_disabled is set. A call on a bad descriptor, without effective capabilities,
 * shows it.
 */
static bool bpf_takes_capability(const struct sets *sets)
{
	const struct sets none = { .permitted = sets->permitted };
	union bpf_attr attr = {};
	bool refused;

	if (sets_put(&none))
		return true;
	attr.test.prog_fd = -1;
	refused = syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)) < 0 && errno == EPERM;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = -1;
	refused |= syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) < 0 && errno == EPERM;
	return sets_put(sets) || refused;
}

/*
 * Uses raw system calls: those of the C library would also change the other threads, and take the
 * rights that these keep.
 */
static int become(const struct user_ids *ids)
{
	if (syscall(SYS_setgroups, 0, NULL) ||
	    syscall(SYS_setresgid, ids->gid, ids->gid, ids->gid) ||
	    syscall(SYS_setresuid, ids->uid, ids->uid, ids->uid))
		return -errno;
	return 0;
}

/*
 * Becomes the planned user. A user namespace may lack nobody, and root in a container may have no
 * right to change. Then the process stays root, without capabilities. But a user whom an option
 * asks for must be had.
 */
static int change_user(void)
{
	int err;

	if (!plan.changes || (plan.ids.uid == geteuid() && !may_change_user()))
		return 0;
	err = become(&plan.ids);
	return plan.needs.user ? err : 0;
}

/*
 * Empties the bounding set, so that no program that is executed can get a capability. This itself
 * needs CAP_SETPCAP.
 */
static void drop_bounds(void)
{
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

/* Leaves the calling thread the capabilities in @kept, as far as it has them. */
static int drop_thread(uint64_t kept)
{
	struct sets sets;
	int err;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	err = sets_get(&sets);
	if (err)
		return err;
	if (!(kept & BIT(CAP_BPF)) && bpf_takes_capability(&sets))
		kept |= BIT(CAP_BPF);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	drop_bounds();
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	err = change_user();
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	if (err)
		return err;
	/* Before 5.8, and for a process that never had CAP_BPF, CAP_SYS_ADMIN stands for it. */
	if (kept & BIT(CAP_BPF) && !(sets.permitted & BIT(CAP_BPF)))
		kept |= BIT(CAP_SYS_ADMIN);
	sets.permitted &= kept;
	sets.effective = sets.permitted;
	return sets_put(&sets);
}

struct start {
	void *(*work)(void *argument);
	void *argument;
	uint64_t kept; /* capabilities */
	int err;
	sem_t dropped;
};

static void *begin(void *argument)
{
	struct start *start = argument;
	void *(*work)(void *argument) = start->work;

	argument = start->argument;
	start->err = drop_thread(start->kept);
	if (start->err)
		work = NULL;
	sem_post(&start->dropped); /* after this @start is no longer valid */
	return work ? work(argument) : NULL;
}

int privilege_thread_start(pthread_t *thread, bool makes_maps, void *(*work)(void *argument),
			   void *argument)
{
	struct start start = {
		.work = work,
		.argument = argument,
		.kept = makes_maps ? BIT(CAP_BPF) : 0,
	};
	int err;

	if (sem_init(&start.dropped, 0, 0))
		return -errno;
	err = thread_start(thread, begin, &start);
	if (!err) {
		while (sem_wait(&start.dropped))
			; /* interrupted by a signal */
		err = start.err;
		if (err)
			pthread_join(*thread, NULL);
	}
	sem_destroy(&start.dropped);
	return err;
}

/* ---- The process ---- */

int privilege_drop(const struct notice *notice, struct failure *failure)
{
	const struct privilege_needs *needs = &plan.needs;
	const struct seccomp_needs filter = {
		.files = needs->files,
		.sockdiag = needs->looks_again,
		.serves = needs->serves,
	};
	struct shown shown;
	int err = drop_thread(0);

	if (err && needs->user)
		return failure_set(failure, STATUS_HOST, "--user: cannot become '%s': %s",
				   escape_shown(&shown, needs->user), strerror(-err));
	if (err)
		return failure_errno(failure, "cannot drop privileges", -err);
	/* No other process of the same user can look into this one, or make it dump core. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	err = seccomp_filter_install(&filter);
	if (err)
		notice_print(notice, NOTICE_DETAIL, "no filter of system calls: %s",
			     strerror(-err));
	return 0;
}

int privilege_keep_looks(int (*before_filter)(void *context), void *context)
{
	int err = drop_thread(plan.made ? LOOKS : UINT64_MAX);

	if (err)
		return err;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	err = before_filter ? before_filter(context) : 0;
	if (err)
		return err;
	err = seccomp_filter_install_looks();
	return err == -ENOSYS ? 0 : err;
}

/* ---- What is told of it ---- */

static const struct privilege_row rows[] = {
	{ "trace", "nothing", NULL },
	{ "trace -w, -o", "files to read, and the helper process",
	  "names of cgroups and containers that are new" },
	{ "life", "nothing", NULL },
	{ "life -o", "files to read, and the helper process",
	  "names of cgroups and containers that are new" },
	{ "timewait", "files to read", "settings of the own namespace" },
	{ "stat", "nothing", NULL },
	{ "stat --by cgroup, …", "as life -o", "names of cgroups and containers that are new" },
	{ "leaks --watch, diagnose",
	  "nothing; a helper process: CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH",
	  "they look into namespaces and at processes again" },
	{ "snapshot -i", "the helper process", "as leaks --watch" },
	{ "leaks --watch --stacks", "files to read, and the helper process",
	  "it looks for debug files" },
	{ "export", "the helper process", "as leaks --watch" },
	{ "export --by cgroup, …", "files to read, and the helper process",
	  "names of cgroups that are new" },
	{ "export --textfile", "another process of the folder's owner", "it replaces the file" },
	{ 0 },
};

const struct privilege_row *privilege_rows(void)
{
	return rows;
}

void privilege_state(struct privilege_state *state)
{
	const struct privilege_needs none = { 0 };
	struct sets sets;

	privilege_plan(&none, NULL); /* it fails only for a user whom an option asks for */
	*state = (struct privilege_state){
		.uid = plan.changes && may_change_user() ? plan.ids.uid : geteuid(),
		.filter = seccomp_filter_exists(),
		.bpf_asks = !sets_get(&sets) && bpf_takes_capability(&sets),
	};
}
