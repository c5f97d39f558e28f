// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/seccomp_filter.h"

/* Allowed with any arguments: these calls reach no further than what the process already has. */
static const int harmless[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(pread64),
	SCMP_SYS(lseek),
	SCMP_SYS(ftruncate), /* of the output, to cut it back to a whole line */
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat), /* fstat() of the C library, since 2.33 */
	SCMP_SYS(close),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(sendmsg), /* on sockets that exist: no new one can be made */
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(recvfrom),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(sched_yield),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(wait4),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(getrandom),
	SCMP_SYS(sysinfo),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Calls that everybody may make anyway, on files that are opened for reading. */
static const int
	of_files[] = {
		SCMP_SYS(getdents64),
		SCMP_SYS(readlink),
		SCMP_SYS(readlinkat),
		SCMP_SYS(stat),
		SCMP_SYS(lstat),
		SCMP_SYS(fstatfs),
		SCMP_SYS(open_by_handle_at), /* works only with CAP_DAC_READ_SEARCH */
	};

/*
 * Calls for a process that listens. Its sockets were made before it gave up what it takes to listen
 * elsewhere.
 */
static const int of_servers[] = {
	SCMP_SYS(accept4),
	SCMP_SYS(shutdown),
};

/* With these neither a program nor BTF is loaded, and nothing but an iterator is attached. */
static const unsigned int bpf_commands[] = {
	BPF_MAP_CREATE,	      BPF_MAP_LOOKUP_ELEM,    BPF_MAP_UPDATE_ELEM,
	BPF_MAP_DELETE_ELEM,  BPF_MAP_GET_NEXT_KEY,   BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	BPF_MAP_LOOKUP_BATCH, BPF_MAP_DELETE_BATCH,   BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	BPF_PROG_TEST_RUN,    BPF_LINK_CREATE,	      BPF_LINK_DETACH,
	BPF_ITER_CREATE,      BPF_OBJ_GET_INFO_BY_FD,
};

/* For terminals; to detach from events; and to ask what a namespace is. */
static const unsigned int ioctls[] = {
	TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, PERF_EVENT_IOC_DISABLE, NS_GET_NSTYPE,
};

/* Duplicates and flags, but no locks, leases or notifications. */
static const unsigned int fcntls[] = { F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Allows a call. A system call that this processor does not have is left out. */
static int allow_if(scmp_filter_ctx filter, int call, unsigned int conditions,
		    const struct scmp_arg_cmp *condition)
{
	int err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, conditions, condition);

	return err == -EDOM ? 0 : err;
}

static int allow_each(scmp_filter_ctx filter, const int *calls, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = allow_if(filter, calls[i], 0, NULL);
	return err;
}

/* Allows @call if its argument number @which is one of @values. */
static int allow_values(scmp_filter_ctx filter, int call, unsigned int which,
			const unsigned int *values, size_t count)
{
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		/*
		 * The kernel looks only at the lower half, and a caller may leave anything in the
		 * upper one.
		 */
		const struct scmp_arg_cmp is = { which, SCMP_CMP_MASKED_EQ, UINT32_MAX, values[i] };

		err = allow_if(filter, call, 1, &is);
	}
	return err;
}

/* Allows @call if none of @bits is set in its argument number @which. */
static int allow_without(scmp_filter_ctx filter, int call, unsigned int which, uint64_t bits)
{
	const struct scmp_arg_cmp clear = { which, SCMP_CMP_MASKED_EQ, bits, 0 };

	return allow_if(filter, call, 1, &clear);
}

/*
 * O_TMPFILE also makes a file. The C library's name for its bit includes O_DIRECTORY, which is
 * allowed.
 */
#define WRITES (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY))

static int allow_files(scmp_filter_ctx filter)
{
	return allow_without(filter, SCMP_SYS(openat), 2, WRITES) ?:
		       allow_each(filter, of_files, COUNT(of_files));
}

/*
 * Allows sockets of sock_diag, which are asked where the kernel refuses iterators, and no other
 * kind.
 */
static int allow_sockdiag(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp diag[] = {
		{ 0, SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_NETLINK },
		{ 2, SCMP_CMP_MASKED_EQ, UINT32_MAX, NETLINK_SOCK_DIAG },
	};

	return allow_if(filter, SCMP_SYS(socket), COUNT(diag), diag);
}

static int allow_least(scmp_filter_ctx filter)
{
	return allow_each(filter, harmless, COUNT(harmless))		   ?:
		       allow_without(filter, SCMP_SYS(mmap), 2, PROT_EXEC) ?:
		       allow_without(filter, SCMP_SYS(mprotect), 2, PROT_EXEC);
}

static int allow(scmp_filter_ctx filter, const struct seccomp_needs *needs)
{
	const unsigned int self = getpid();
	int err;

	err = allow_least(filter)								?:
		      allow_values(filter, SCMP_SYS(bpf), 0, bpf_commands, COUNT(bpf_commands)) ?:
		      allow_values(filter, SCMP_SYS(ioctl), 1, ioctls, COUNT(ioctls))		?:
		      allow_values(filter, SCMP_SYS(fcntl), 1, fcntls, COUNT(fcntls))		?:
		      allow_values(filter, SCMP_SYS(tgkill), 0, &self, 1);
	if (!err && needs->files)
		err = allow_files(filter);
	if (!err && needs->sockdiag)
		err = allow_sockdiag(filter);
	if (!err && needs->serves)
		err = allow_each(filter, of_servers, COUNT(of_servers));
	return err;
}

static int allow_looks(scmp_filter_ctx filter)
{
	const unsigned int net = CLONE_NEWNET, make = BPF_ITER_CREATE, is = NS_GET_NSTYPE;

	return allow_least(filter)						       ?:
		       allow_values(filter, SCMP_SYS(bpf), 0, &make, 1)		       ?:
		       allow_values(filter, SCMP_SYS(ioctl), 1, &is, 1)		       ?:
		       allow_values(filter, SCMP_SYS(fcntl), 1, fcntls, COUNT(fcntls)) ?:
		       allow_values(filter, SCMP_SYS(setns), 1, &net, 1)	       ?:
		       allow_files(filter)					       ?:
		       allow_sockdiag(filter);
}

/* Returns a filter that is ready for the calls that are allowed, or NULL if there is no memory. */
static scmp_filter_ctx begin(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	/* A system call of another architecture than the program's own does not kill it either. */
	if (!filter || (!seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM)) &&
			!seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1)))
		return filter;
	seccomp_release(filter);
	return NULL;
}

/* Puts the filter on if all went well, and frees it. */
static int end(scmp_filter_ctx filter, int err)
{
	err = err ?: seccomp_load(filter);
	seccomp_release(filter);
	return err;
}

int seccomp_filter_install(const struct seccomp_needs *needs)
{
	scmp_filter_ctx filter = begin();

	return filter ? end(filter, allow(filter, needs)) : -ENOMEM;
}

int seccomp_filter_install_looks(void)
{
	scmp_filter_ctx filter = begin();

	return filter ? end(filter, allow_looks(filter)) : -ENOMEM;
}

bool seccomp_filter_exists(void)
{
	return true;
}
