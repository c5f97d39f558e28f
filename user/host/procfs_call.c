// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * /proc/PID/syscall has the number of the call, six arguments, the stack pointer and the program
 * counter. The numbers are those of the process's own architecture.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/procfs_process.h"

/* The stack of a 32-bit process lies below this, and its calls have other numbers. */
#define STACK_LEAST (1ULL << 32)

/* Calls that programs wait in. An architecture that is newer lacks the older ones of them. */
static const struct {
	long number;
	const char *name;
} calls[] = {
	{ SYS_read, "read" },
	{ SYS_write, "write" },
	{ SYS_readv, "readv" },
	{ SYS_writev, "writev" },
	{ SYS_pread64, "pread" },
	{ SYS_recvfrom, "recv" },
	{ SYS_recvmsg, "recvmsg" },
	{ SYS_recvmmsg, "recvmmsg" },
	{ SYS_sendto, "send" },
	{ SYS_sendmsg, "sendmsg" },
	{ SYS_sendfile, "sendfile" },
	{ SYS_splice, "splice" },
	{ SYS_accept, "accept" },
	{ SYS_accept4, "accept4" },
	{ SYS_connect, "connect" },
	{ SYS_openat, "openat" },
	{ SYS_ioctl, "ioctl" },
	{ SYS_fcntl, "fcntl" },
	{ SYS_flock, "flock" },
	{ SYS_fsync, "fsync" },
	{ SYS_fdatasync, "fdatasync" },
	{ SYS_ppoll, "ppoll" },
	{ SYS_pselect6, "pselect" },
	{ SYS_epoll_pwait, "epoll_wait" },
	{ SYS_futex, "futex" },
	{ SYS_nanosleep, "nanosleep" },
	{ SYS_clock_nanosleep, "clock_nanosleep" },
	{ SYS_restart_syscall, "restart_syscall" },
	{ SYS_wait4, "wait" },
	{ SYS_waitid, "waitid" },
	{ SYS_rt_sigsuspend, "sigsuspend" },
	{ SYS_rt_sigtimedwait, "sigtimedwait" },
	{ SYS_semop, "semop" },
	{ SYS_semtimedop, "semtimedop" },
	{ SYS_msgrcv, "msgrcv" },
	{ SYS_io_getevents, "io_getevents" },
	{ SYS_io_uring_enter, "io_uring_enter" },
#ifdef SYS_epoll_wait
	{ SYS_epoll_wait, "epoll_wait" },
#endif
#ifdef SYS_poll
	{ SYS_poll, "poll" },
#endif
#ifdef SYS_select
	{ SYS_select, "select" },
#endif
#ifdef SYS_pause
	{ SYS_pause, "pause" },
#endif
#ifdef SYS_open
	{ SYS_open, "open" },
#endif
};

void procfs_call_read(const char *root, uint32_t tid, char name[PROCFS_CALL_BYTES])
{
	char path[PATH_MAX], line[256];
	uint64_t stack;
	ssize_t len;
	long number;
	int fd;

	memset(name, 0, PROCFS_CALL_BYTES);
	snprintf(path, sizeof(path), "%s/proc/%" PRIu32 "/syscall", root, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = read(fd, line, sizeof(line) - 1);
	close(fd);
	line[len < 0 ? 0 : len] = '\0';
	if (sscanf(line, "%ld %*x %*x %*x %*x %*x %*x %" SCNx64, &number, &stack) != 2 ||
	    stack < STACK_LEAST)
		return;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (calls[i].number == number)
			snprintf(name, PROCFS_CALL_BYTES, "%s", calls[i].name);
}
