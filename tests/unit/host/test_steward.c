// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A steward that the test starts, over a /proc that it makes and over the running kernel's. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "base/clock.h"
#include "base/notice.h"
#include "host/descriptors.h"
#include "host/netns_file.h"
#include "host/seccomp_filter.h"
#include "host/sockdiag.h"
#include "host/steward.h"
#include "host/steward_server.h"
#include "host/steward_wire.h"

#define FOREIGN 4242 /* a process that is not the test's */

static const struct notice notice;

static int make_root(void **state)
{
	if (folder_make(state))
		return -1;
	folder_shell(
		"mkdir -p proc/7/fd proc/7/root && printf 'a program\\n' > proc/7/comm &&"
		" printf 'a\\0--flag\\0' > proc/7/cmdline && echo code > file &&"
		" echo '0::/system.slice/a.service' > proc/7/cgroup &&"
		" echo 'Max open files  64  128  files' > proc/7/limits &&"
		" ln -s 'socket:[77]' proc/7/fd/3 && ln -s 'socket:[78]' proc/7/fd/4 &&"
		" ln -s /dev/null proc/7/fd/5 && cp file proc/7/root/file &&"
		" i=$(stat -c %i proc/7/root/file) &&"
		" printf '1000-2000 r-xp 0 08:01 %s /file\\n2000-3000 r--p 0 08:01 %s /file\\n'"
		" $i $i > proc/7/maps");
	return 0;
}

static struct steward *start(void)
{
	struct steward *steward = steward_new(folder_root, &notice);

	assert_non_null(steward);
	return steward;
}

/* ---- What is asked --------------------------------------------------------------------------- */

static void test_it_tells_of_a_process_what_proc_does(void **state)
{
	struct procfs_process here, there;
	struct steward *steward = start();

	(void)state;
	procfs_process_read(folder_root, 7, "a program", &here);
	steward_process(steward, 7, "a program", &there);
	assert_string_equal(there.command, "a --flag");
	assert_string_equal(there.container.unit, "a.service");
	assert_int_equal(there.fd_limit, 64);
	assert_memory_equal(&here, &there, sizeof(here));
	/* By now the number is another process's. */
	steward_process(steward, 7, "another", &there);
	assert_string_equal(there.command, "");
	assert_int_equal(there.fd_limit, 0);
	steward_free(steward);
}

/* The FIFO stands for memory that a process has locked. */
static void test_a_command_line_that_does_not_answer(void **state)
{
	struct steward *steward = start();
	struct procfs_process process;
	uint64_t since_ns;

	(void)state;
	folder_shell("mkdir -p proc/8/fd && printf 'silent\n' > proc/8/comm &&"
		     " cp proc/7/limits proc/8 && mkfifo proc/8/cmdline");
	steward_process(steward, 8, "silent", &process);
	assert_string_equal(process.command, "");
	assert_int_equal(process.fd_limit, 64);
	/* It is not asked for again. Others still are, unless they are the same user's. */
	since_ns = clock_now_ns();
	steward_process(steward, 8, "silent", &process);
	assert_int_equal(process.fd_limit, 64);
	assert_true(clock_now_ns() - since_ns < 900000000);
	steward_process(steward, 7, "a program", &process);
	assert_int_equal(process.fd_limit, 64);
	assert_true(geteuid() || !strcmp(process.command, "a --flag"));
	steward_free(steward);
	folder_shell("rm -r proc/8");
}

static void test_it_lists_descriptors(void **state)
{
	struct steward *steward = start();
	const struct descriptor *found;
	struct descriptors *list;
	unsigned int closed = 1;
	size_t count;

	(void)state;
	list = steward_descriptors(steward, &closed);
	assert_non_null(list);
	assert_int_equal(closed, 0);
	found = descriptors_find(list, 78, &count);
	assert_int_equal(count, 1);
	assert_int_equal(found->pid, 7);
	assert_int_equal(found->fd, 4);
	assert_string_equal(descriptors_comm(list, found), "a program");
	descriptors_free(list);
	steward_free(steward);
}

/* There are more descriptors than one packet holds. */
static void test_it_lists_many_descriptors(void **state)
{
	const unsigned int many = 3 * STEWARD_RECORDS_BYTES / sizeof(struct descriptor_holder);
	struct steward *steward = start();
	struct descriptors *list;
	unsigned int closed;
	char path[128];
	size_t count;

	(void)state;
	folder_shell("mkdir -p proc/9/fd && echo many > proc/9/comm");
	for (unsigned int i = 0; i < many; i++) {
		char link[32];

		snprintf(link, sizeof(link), "socket:[%u]", 1000 + i);
		snprintf(path, sizeof(path), "%s/proc/9/fd/%u", folder_root, i);
		assert_int_equal(symlink(link, path), 0);
	}
	list = steward_descriptors(steward, &closed);
	assert_non_null(list);
	for (unsigned int i = 0; i < many; i++) {
		const struct descriptor *found = descriptors_find(list, 1000 + i, &count);

		assert_int_equal(count, 1);
		assert_int_equal(found->fd, i);
		assert_string_equal(descriptors_comm(list, found), "many");
	}
	assert_non_null(descriptors_find(list, 77, &count));
	descriptors_free(list);
	steward_free(steward);
	folder_shell("rm -r proc/9");
}

static void expect_text(int fd, const char *text)
{
	char buffer[64] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, buffer, sizeof(buffer) - 1) > 0);
	assert_memory_equal(buffer, text, strlen(text));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

/* The steward opens only code that a process maps, and only where a mapping begins. */
static void test_it_opens_code(void **state)
{
	struct steward *steward = start();

	(void)state;
	expect_text(steward_open_maps(steward, 7), "1000-2000 r-xp");
	expect_text(steward_open_mapped(steward, 7, 0x1000), "code\n");
	assert_int_equal(steward_open_mapped(steward, 7, 0x1800), -ENOENT);
	assert_int_equal(steward_open_mapped(steward, 7, 0x2000), -ENOENT);
	assert_int_equal(steward_open_mapped(steward, FOREIGN, 0x1000), -ENOENT);
	assert_int_equal(steward_open_maps(steward, FOREIGN), -ENOENT);
	steward_free(steward);
}

struct seen {
	unsigned int count;
	struct netns_place own;
};

static int see(void *context, const struct netns_place *place)
{
	struct seen *seen = context;

	seen->count++;
	if (place->own)
		seen->own = *place;
	return 0;
}

static int is_there(void *context, const struct sockdiag_socket *socket)
{
	return socket->lport == *(const uint16_t *)context ? -EEXIST : 0;
}

static void test_it_looks_into_the_own_namespace(void **state)
{
	struct steward *steward = start();
	struct seen seen = { 0 };
	unsigned int closed, sockets, timewait;
	struct stat st;
	uint16_t port = 0;
	int fd;

	(void)state;
	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	assert_int_equal(netns_walk(steward, st.st_ino, see, &seen, &closed), 0);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.own.inode, st.st_ino);
	assert_ptr_equal(seen.own.steward, steward);
	assert_int_equal(netns_place_count(&seen.own, &sockets, &timewait), 0);
	fd = netns_place_sockdiag(&seen.own);
	assert_true(fd >= 0);
	assert_int_equal(sockdiag_dump(fd, 1 << TCPDWELL_LISTEN, is_there, &port), 0);
	close(fd);
	fd = netns_place_file(&seen.own, "net/sockstat");
	expect_text(fd, "sockets: used");
	assert_int_equal(netns_place_file(&seen.own, "ipv4/../../../etc/shadow"), -ENOENT);
	steward_free(steward);
}

static void test_there_are_no_other_namespaces_or_files(void **state)
{
	struct steward *steward = start();

	(void)state;
	assert_int_equal(steward_open_sockdiag(steward, 1), -ENOENT);
	assert_int_equal(steward_open_net_file(steward, 0, 10000), -EINVAL);
	assert_int_equal(steward_open_iterator(steward, STEWARD_ITERATOR_SOCKETS, 0), -EOPNOTSUPP);
	assert_int_equal(steward_open_iterator(steward, STEWARD_ITERATORS, 0), -EINVAL);
	steward_free(steward);
}

static void test_a_link_is_taken_once(void **state)
{
	struct steward *steward = start();
	int link = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(link >= 0);
	assert_int_equal(steward_take_link(steward, STEWARD_ITERATORS, link), -EINVAL);
	assert_int_equal(steward_take_link(steward, STEWARD_ITERATOR_SOCKETS, -1), -EINVAL);
	assert_int_equal(steward_take_link(steward, STEWARD_ITERATOR_SOCKETS, link), 0);
	assert_int_equal(steward_take_link(steward, STEWARD_ITERATOR_SOCKETS, link), -EEXIST);
	/* The descriptor is no BPF link, so nothing comes of it. */
	assert_true(steward_open_iterator(steward, STEWARD_ITERATOR_SOCKETS, 0) < 0);
	close(link);
	steward_free(steward);
}

/* ---- Who asks ill ---------------------------------------------------------------------------- */

/* Sends a request to a new steward. Returns whether an answer came. */
static bool is_answered(const void *request, size_t bytes)
{
	struct steward_packet packet;
	ssize_t len;
	pid_t pid;
	int socket = steward_server_start(folder_root, &pid), status;

	assert_true(socket >= 0);
	assert_int_equal(send(socket, request, bytes, 0), bytes);
	len = recv(socket, &packet, sizeof(packet), 0);
	close(socket);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	return len > 0;
}

static void test_what_is_no_request_ends_it(void **state)
{
	struct {
		struct steward_request request;
		char more[8];
	} longer = { .request.kind = STEWARD_PROCESS };
	struct steward_request request = { .kind = STEWARD_PROCESS };

	(void)state;
	assert_true(is_answered(&request, sizeof(request)));
	assert_false(is_answered(&request, sizeof(request) - 1));
	assert_false(is_answered(&request, 1));
	assert_false(is_answered(&longer, sizeof(longer)));
	request.kind = 0;
	assert_false(is_answered(&request, sizeof(request)));
	request.kind = UINT32_MAX;
	assert_false(is_answered(&request, sizeof(request)));
	request.kind = STEWARD_PROCESS;
	memset(request.comm, 'x', sizeof(request.comm));
	assert_false(is_answered(&request, sizeof(request)));
}

/* ---- What it is, and when it is gone --------------------------------------------------------- */

static void expect_status(int pid, const char *line)
{
	char path[64], text[4096];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	assert_non_null(strstr(text, line));
}

static void test_it_has_given_up(void **state)
{
	struct steward *steward = start();
	int pid = steward_pid(steward);

	(void)state;
	expect_status(pid, "Name:\ttcpdwell-host\n");
	expect_status(pid, "\nNoNewPrivs:\t1\n");
	expect_status(pid, "\nCapInh:\t0000000000000000\n");
	if (seccomp_filter_exists())
		expect_status(pid, "\nSeccomp:\t2\n");
	steward_free(steward);
	assert_int_equal(kill(pid, 0), -1);
}

static void test_without_it_the_rest_goes_on(void **state)
{
	struct steward *steward = start();
	struct container container;
	struct procfs_process process;
	struct seen seen = { 0 };
	unsigned int closed, sockets;
	char path[64], said[512] = "";
	int ends[2], err, fd;
	ssize_t len;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	err = dup(STDERR_FILENO);
	assert_int_equal(kill(steward_pid(steward), SIGKILL), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	steward_process(steward, 7, "a program", &process);
	assert_int_equal(netns_walk(steward, 0, see, &seen, &closed), 0);
	fd = steward_open_sockdiag(steward, 0);
	assert_null(steward_descriptors(steward, &sockets));
	assert_int_equal(errno, -STEWARD_LOST);
	assert_int_equal(dup2(err, STDERR_FILENO), STDERR_FILENO);
	assert_string_equal(process.command, "");
	assert_int_equal(fd, STEWARD_LOST);
	assert_int_equal(steward_cgroup(steward, 1, path, sizeof(path), &container), STEWARD_LOST);
	/* The caller's own namespace is visited without the steward. */
	assert_int_equal(seen.count, 1);
	assert_true(seen.own.own);
	assert_null(seen.own.steward);
	assert_int_equal(closed, 1);
	close(ends[1]);
	len = read(ends[0], said, sizeof(said) - 1);
	assert_true(len > 0);
	assert_non_null(strstr(said, "the helper process has ended"));
	assert_ptr_equal(strchr(said, '\n'), said + len - 1); /* said once */
	close(ends[0]);
	close(err);
	steward_free(steward);
}

/* Kills the steward in the caller's own namespace, and asks it for something in the next. */
static int kill_and_ask(void *context, const struct netns_place *place)
{
	unsigned int *count = context;

	if ((*count)++)
		return steward_open_sockdiag(place->steward, place->inode);
	assert_true(place->own);
	assert_int_equal(kill(steward_pid(place->steward), SIGKILL), 0);
	return 0;
}

static int count_netns(void *context, const struct netns_place *place)
{
	(void)place;
	++*(unsigned int *)context;
	return 0;
}

/* Namespaces that were not visited are not said to have ended. */
static void test_it_is_lost_between_two_namespaces(void **state)
{
	struct steward *steward = start();
	unsigned int all = 0, visited = 0, closed;

	(void)state;
	assert_int_equal(netns_walk(steward, 0, count_netns, &all, &closed), 0);
	assert_int_equal(netns_walk(steward, 0, kill_and_ask, &visited, &closed), 0);
	/* Others may have come or gone in between. */
	assert_true(all == 1 || (visited == 2 && closed > 0));
	steward_free(steward);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_tells_of_a_process_what_proc_does),
		cmocka_unit_test(test_a_command_line_that_does_not_answer),
		cmocka_unit_test(test_it_lists_descriptors),
		cmocka_unit_test(test_it_lists_many_descriptors),
		cmocka_unit_test(test_it_opens_code),
		cmocka_unit_test(test_it_looks_into_the_own_namespace),
		cmocka_unit_test(test_there_are_no_other_namespaces_or_files),
		cmocka_unit_test(test_a_link_is_taken_once),
		cmocka_unit_test(test_what_is_no_request_ends_it),
		cmocka_unit_test(test_it_has_given_up),
		cmocka_unit_test(test_without_it_the_rest_goes_on),
		cmocka_unit_test(test_it_is_lost_between_two_namespaces),
	};

	return cmocka_run_group_tests_name("steward", tests, make_root, folder_remove);
}
