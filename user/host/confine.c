// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/confine.h"

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

/* More capabilities than any kernel knows. It says EINVAL for the rest. */
#define CAPABILITIES_MAX 64

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = {};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

int confine_identity(void)
{
	int err;

	/*
	 * Without CAP_SETPCAP this fails. no_new_privs then keeps away all that the bounding set
	 * would.
	 */
	for (int capability = 0; capability < CAPABILITIES_MAX; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	/*
	 * A process that may not become another user runs as an ordinary one. That user's files
	 * need no protection from the process.
	 */
	if (!setgroups(0, NULL)) {
		if (setresgid(CONFINE_NOBODY, CONFINE_NOBODY, CONFINE_NOBODY) ||
		    setresuid(CONFINE_NOBODY, CONFINE_NOBODY, CONFINE_NOBODY))
			return -errno;
	}
	err = drop_capabilities();
	if (err)
		return err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	return confine_limit(RLIMIT_CORE, 0);
}

/*
 * Closes all from @first on. close_range(2) exists since 5.9. A filter may answer EPERM or ENOSYS.
 */
static void close_from(unsigned int first)
{
	long max = sysconf(_SC_OPEN_MAX);

	if (!syscall(SYS_close_range, first, ~0U, 0))
		return;
	for (long fd = first; fd < max; fd++)
		close(fd);
}

/*
 * Returns a descriptor that nothing can be read from, or -errno. Where /dev is not there, it is a
 * pipe that nobody writes to.
 */
static int open_null(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), ends[2];

	if (null >= 0)
		return null;
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	close(ends[1]);
	return ends[0];
}

int confine_files(int kept)
{
	int null = open_null(), err = 0;

	if (null < 0)
		return null;
	/* It is moved above the standard files, so that nothing that is needed is overwritten. */
	kept = fcntl(kept, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (kept < 0)
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			err = -errno;
	if (kept != STDERR_FILENO + 1 && dup2(kept, STDERR_FILENO + 1) < 0)
		err = -errno;
	close_from(STDERR_FILENO + 2);
	return err ? err : STDERR_FILENO + 1;
}

void confine_signals(int heard)
{
	sigset_t blocked;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigfillset(&blocked);
	if (heard)
		sigdelset(&blocked, heard);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

int confine_limit(int resource, rlim_t limit)
{
	struct rlimit now;

	if (getrlimit(resource, &now))
		return -errno;
	if (now.rlim_max < limit)
		limit = now.rlim_max;
	now = (struct rlimit){ .rlim_cur = limit, .rlim_max = limit };
	return setrlimit(resource, &now) ? -errno : 0;
}

#ifdef HAVE_SECCOMP

static int allow(scmp_filter_ctx filter, const struct confine_call *call)
{
	if (!call->mask)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 0);
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 1,
				SCMP_CMP(call->argument, SCMP_CMP_MASKED_EQ, call->mask,
					 call->value));
}

int confine_calls(const struct confine_call *calls, size_t count)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++)
		err = allow(filter, &calls[i]);
	if (!err)
		err = seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

#else

int confine_calls(const struct confine_call *calls, size_t count)
{
	(void)calls, (void)count;
	return -ENOSYS;
}

#endif
