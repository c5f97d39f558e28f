// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What can be done once privileges are given up: tries from inside what the tracer must not be able
 * to do, in the thread that gives up and in one that was started before.
 *
 * unprivileged [files] [looks] [--user NAME]: prints "THREAD WHAT ERROR" for each try; ERROR is 0
 * if the try works.
 * unprivileged helper: the same with the privileges of the process that looks at others.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/notice.h"
#include "host/privilege.h"

static sem_t dropped;
static int own_netns;

static void tell(const char *thread, const char *what, long result)
{
	printf("%s %s %s\n", thread, what, result < 0 ? strerrorname_np(errno) : "0");
	fflush(stdout);
}

static int bpf(int command)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1,
	};

	return syscall(SYS_bpf, command, &attr, sizeof(attr));
}

static void try_files(const char *thread)
{
	tell(thread, "write:/etc", open("/etc/tcpdwell-was-here", O_WRONLY | O_CREAT, 0600));
	tell(thread, "write:/root", open("/root/tcpdwell-was-here", O_WRONLY | O_CREAT, 0600));
	tell(thread, "write:/tmp", open("/tmp/tcpdwell-was-here", O_WRONLY | O_CREAT, 0600));
	tell(thread, "write:core_pattern", open("/proc/sys/kernel/core_pattern", O_WRONLY));
	tell(thread, "write:/etc/passwd", open("/etc/passwd", O_RDWR));
	tell(thread, "read:/etc/shadow", open("/etc/shadow", O_RDONLY));
	tell(thread, "read:/etc/passwd", open("/etc/passwd", O_RDONLY));
	tell(thread, "chmod", chmod("/etc/passwd", 0666));
	tell(thread, "unlink", unlink("/etc/tcpdwell-was-here"));
	tell(thread, "mount", mount("none", "/tmp", "tmpfs", 0, NULL));
}

static void try_calls(const char *thread)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tell(thread, "exec", execl("/bin/true", "true", NULL));
	tell(thread, "fork", syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); /* as fork() does */
	tell(thread, "setuid", syscall(SYS_setuid, 0));
	tell(thread, "kill", kill(getppid(), SIGCONT));
	tell(thread, "ptrace", ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
	tell(thread, "socket", socket(AF_INET, SOCK_STREAM, 0));
	tell(thread, "executable", mprotect(page, 4096, PROT_READ | PROT_EXEC));
	tell(thread, "prog_load", bpf(BPF_PROG_LOAD));
	tell(thread, "map_create", bpf(BPF_MAP_CREATE));
	tell(thread, "setns", setns(own_netns, CLONE_NEWNET));
	tell(thread, "memory", page == MAP_FAILED ? -1 : 0);
}

static void *work(void *unused)
{
	(void)unused;
	while (sem_wait(&dropped))
		;
	try_files("other");
	try_calls("other");
	return NULL;
}

static int look(void)
{
	const struct privilege_needs needs = { 0 };
	struct failure failure;

	if (privilege_plan(&needs, &failure) || privilege_keep_looks(NULL, NULL))
		return 1;
	try_files("helper");
	try_calls("helper");
	puts("ready");
	return 0;
}

int main(int argc, char *argv[])
{
	struct privilege_needs needs = { 0 };
	struct notice notice = { .verbose = true };
	struct failure failure;
	pthread_t thread;

	for (int i = 1; i < argc; i++) {
		needs.files |= !strcmp(argv[i], "files");
		needs.looks_again |= !strcmp(argv[i], "looks");
		if (!strcmp(argv[i], "--user"))
			needs.user = argv[++i];
	}
	own_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (argc > 1 && !strcmp(argv[1], "helper"))
		return look();
	sem_init(&dropped, 0, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (privilege_plan(&needs, &failure) || privilege_thread_start(&thread, true, work, NULL) ||
	    privilege_drop(&notice, &failure)) {
		fprintf(stderr, "unprivileged: %s\n", failure.text);
		return failure.status;
	}
	try_files("main");
	try_calls("main");
	sem_post(&dropped);
	pthread_join(thread, NULL);
	puts("ready");
	if (!isatty(STDIN_FILENO))
		while (read(STDIN_FILENO, &(char){ 0 }, 1) > 0)
			; /* until then the test looks from outside */
	return 0;
}
