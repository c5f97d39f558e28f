// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "puppet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMM_BYTES = 16 };

struct puppet {
	pid_t pid;
	uid_t uid;
	int strings;   /* the director's end of the socket pair */
	int tables[2]; /* /proc/PID/net/tcp and tcp6 */
	uint64_t netns;
	char comm[COMM_BYTES];
	struct puppet_memory *memory;
};

struct order {
	long nr;
	long args[6];
};

static int enter_netns(const char *path)
{
	int fd, err = 0;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET))
		err = -errno;
	close(fd);
	return err;
}

static int become(const char *comm, const char *netns_path, uid_t uid)
{
	int err = enter_netns(netns_path);

	if (err)
		return err;
	/* Raw sockets are opened later, so the capabilities must survive the change of user. */
	if (uid != (uid_t)-1 &&
	    (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) || setresuid(uid, uid, uid)))
		return -errno;
	/* This comes after the change of user, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NAME, comm))
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

/* Runs the puppet's whole life. The first word that it sends is the result of become(). */
static void obey(int strings, long ready)
{
	struct order order;
	long result = ready;

	while (write(strings, &result, sizeof(result)) == sizeof(result) && !ready) {
		if (read(strings, &order, sizeof(order)) != sizeof(order))
			break;
		result = syscall(order.nr, order.args[0], order.args[1], order.args[2],
				 order.args[3], order.args[4], order.args[5]);
		if (result == -1)
			result = -errno;
	}
	_exit(0);
}

static int open_tables(struct puppet *puppet)
{
	static const char *const names[] = { "tcp", "tcp6" };
	char path[64];
	struct stat st;

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/net/%s", puppet->pid, names[i]);
		puppet->tables[i] = open(path, O_RDONLY | O_CLOEXEC);
		/* A kernel booted without IPv6 has no tcp6. */
		if (puppet->tables[i] < 0 && !(i == 1 && errno == ENOENT))
			return -errno;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/net", puppet->pid);
	if (stat(path, &st))
		return -errno;
	puppet->netns = st.st_ino;
	return 0;
}

static int read_result(struct puppet *puppet, long *result)
{
	ssize_t n;

	do
		n = read(puppet->strings, result, sizeof(*result));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*result) ? 0 : -ESRCH;
}

int puppet_start(struct puppet **puppetp, const char *comm, const char *netns_path, uid_t uid)
{
	struct puppet *puppet = calloc(1, sizeof(*puppet));
	long ready = 0;
	int pair[2], err;

	if (!puppet)
		return -ENOMEM;
	puppet->strings = puppet->tables[0] = puppet->tables[1] = -1;
	puppet->uid = uid == (uid_t)-1 ? getuid() : uid;
	snprintf(puppet->comm, sizeof(puppet->comm), "%s", comm);
	puppet->memory = mmap(NULL, sizeof(*puppet->memory), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (puppet->memory == MAP_FAILED) {
		puppet->memory = NULL;
		err = -ENOMEM;
		goto out;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		err = -errno;
		goto out;
	}
	puppet->pid = fork();
	if (puppet->pid == 0) {
		close(pair[0]);
		obey(pair[1], become(puppet->comm, netns_path, uid));
	}
	err = puppet->pid < 0 ? -errno : 0;
	close(pair[1]);
	puppet->strings = pair[0];
	if (!err)
		err = read_result(puppet, &ready);
	if (!err)
		err = ready ? (int)ready : open_tables(puppet);
out:
	if (err) {
		puppet_free(puppet);
		puppet = NULL;
	}
	*puppetp = puppet;
	return err;
}

void puppet_free(struct puppet *puppet)
{
	if (!puppet)
		return;
	puppet_exit(puppet);
	for (int i = 0; i < 2; i++)
		if (puppet->tables[i] >= 0)
			close(puppet->tables[i]);
	if (puppet->strings >= 0)
		close(puppet->strings);
	if (puppet->memory)
		munmap(puppet->memory, sizeof(*puppet->memory));
	free(puppet);
}

long puppet_call6(struct puppet *puppet, long nr, const long args[6])
{
	struct order order = { .nr = nr };
	long result;
	int err;

	if (puppet_gone(puppet))
		return -ESRCH;
	memcpy(order.args, args, sizeof(order.args));
	if (send(puppet->strings, &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order))
		return -ESRCH;
	err = read_result(puppet, &result);
	return err ? err : result;
}

struct puppet_memory *puppet_memory(struct puppet *puppet)
{
	return puppet->memory;
}

pid_t puppet_pid(const struct puppet *puppet)
{
	return puppet->pid;
}

uid_t puppet_uid(const struct puppet *puppet)
{
	return puppet->uid;
}

const char *puppet_comm(const struct puppet *puppet)
{
	return puppet->comm;
}

uint64_t puppet_netns(const struct puppet *puppet)
{
	return puppet->netns;
}

int puppet_table(const struct puppet *puppet, bool ipv6)
{
	return puppet->tables[ipv6];
}

int puppet_exit(struct puppet *puppet)
{
	pid_t pid = puppet->pid;

	if (puppet_gone(puppet))
		return 0;
	puppet_call(puppet, SYS_exit_group, 0);
	while (waitpid(pid, NULL, 0) < 0)
		if (errno != EINTR)
			return -errno;
	/* The pid stays for the report; the strings tell that the puppet is gone. */
	close(puppet->strings);
	puppet->strings = -1;
	return 0;
}

bool puppet_gone(const struct puppet *puppet)
{
	return puppet->strings < 0;
}
