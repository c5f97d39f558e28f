// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A /proc that the test makes: processes that are readable, half readable, or renamed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "host/procfs.h"
#include "host/procfs_process.h"
#include "host/procfs_sockstat.h"

static void test_process(void **state)
{
	static const char command[] = "server\0--port\0http\0";
	struct procfs_process process;
	char path[512];

	(void)state;
	folder_put_text("proc/7/comm", "server\n");
	folder_put("proc/7/cmdline", command, sizeof(command) - 1);
	folder_put_text("proc/7/cgroup", "1:name=x:/y\n0::/system.slice/web.service\n");
	folder_put_text(
		"proc/7/limits",
		"Limit                     Soft Limit           Hard Limit           Units\n"
		"Max open files            1024                 4096                 files\n");
	folder_put_text("proc/7/fd/0", "");
	folder_put_text("proc/7/fd/12", "");
	folder_put_text("proc/7/status", "Name:\tserver\nState:\tS (sleeping)\nTgid:\t7\n"
					 "Threads:\t12\n");
	procfs_process_read(folder_root, 7, "server", &process);
	assert_int_equal(process.threads, 12);
	assert_string_equal(process.command, "server --port http");
	assert_string_equal(process.cgroup, "/system.slice/web.service");
	assert_string_equal(process.container.unit, "web.service");
	assert_string_equal(container_label(&process.container), "");
	assert_int_equal(process.fd_limit, 1024);
	assert_int_equal(process.fds, 2);
	assert_false(process.ring);
	snprintf(path, sizeof(path), "%s/proc/7/fd/3", folder_root);
	assert_int_equal(symlink("anon_inode:[io_uring]", path), 0);
	procfs_process_read(folder_root, 7, "server", &process);
	assert_true(process.ring);
}

static void test_container(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct procfs_process process;
	char text[256];

	(void)state;
	folder_put_text("proc/8/comm", "pod\n");
	snprintf(text, sizeof(text), "0::/system.slice/docker-%s.scope\n", id);
	folder_put_text("proc/8/cgroup", text);
	procfs_process_read(folder_root, 8, "pod", &process);
	assert_string_equal(process.container.id, id);
	assert_int_equal(process.fds, 0); /* not there, so not known */
	assert_int_equal(process.fd_limit, 0);
	assert_string_equal(process.command, "");
}

/* A mark shows that text did not fit; it is put between two characters. */
static void test_cut(void **state)
{
	struct procfs_process process;
	char command[PROCFS_TEXT_BYTES + 1];

	(void)state;
	folder_put_text("proc/11/comm", "long\n");
	memset(command, 'x', sizeof(command));
	folder_put("proc/11/cmdline", command, PROCFS_TEXT_BYTES - 2);
	procfs_process_read(folder_root, 11, "long", &process);
	assert_int_equal(strlen(process.command), PROCFS_TEXT_BYTES - 2);
	assert_null(strstr(process.command, "…"));
	/* U+20AC stands where the mark begins. */
	memcpy(command + PROCFS_TEXT_BYTES - 1 - strlen("…") - 1, "€", strlen("€"));
	folder_put("proc/11/cmdline", command, sizeof(command));
	procfs_process_read(folder_root, 11, "long", &process);
	assert_int_equal(strlen(process.command), PROCFS_TEXT_BYTES - 2);
	assert_string_equal(process.command + PROCFS_TEXT_BYTES - 2 - strlen("x…"), "x…");
}

static void test_threads(void **state)
{
	char letter;

	(void)state;
	folder_put_text("proc/21/status",
			"Name:\tx\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t20\n");
	folder_put_text("proc/22/status", "Name:\tx\nState:\tZ (zombie)\nTgid:\t22\n");
	assert_int_equal(procfs_process_of_thread(folder_root, 21, &letter), 20);
	assert_int_equal(letter, 'S');
	assert_int_equal(procfs_process_of_thread(folder_root, 22, &letter), 22);
	assert_int_equal(letter, 'Z');
	assert_int_equal(procfs_process_of_thread(folder_root, 23, &letter), 0);
	assert_int_equal(letter, '\0');
}

static void test_call(void **state)
{
	char name[PROCFS_CALL_BYTES], text[128];

	(void)state;
	snprintf(text, sizeof(text), "%ld 0x3 0x0 0x0 0x0 0x0 0x0 0x7ffc00000000 0x7f0000000000\n",
		 (long)SYS_futex);
	folder_put_text("proc/31/syscall", text);
	procfs_call_read(folder_root, 31, name);
	assert_string_equal(name, "futex");
	snprintf(text, sizeof(text), "%ld 0x3 0x0 0x0 0x0 0x0 0x0 0xffc00000 0x8000000\n",
		 (long)SYS_futex);
	folder_put_text("proc/31/syscall", text); /* a 32-bit process has numbers of its own */
	procfs_call_read(folder_root, 31, name);
	assert_string_equal(name, "");
	folder_put_text("proc/31/syscall", "running\n");
	procfs_call_read(folder_root, 31, name);
	assert_string_equal(name, "");
	folder_put_text("proc/31/syscall", "-1 0x7ffc00000000 0x7f0000000000\n"); /* in a fault */
	procfs_call_read(folder_root, 31, name);
	assert_string_equal(name, "");
	procfs_call_read(folder_root, 32, name);
	assert_string_equal(name, "");
}

static void test_time_namespace(void **state)
{
	char path[128];

	(void)state;
	assert_int_equal(procfs_monotonic_offset_ns(folder_root), 0);
	folder_put_text("proc/self/timens_offsets", "monotonic      -600   5\nboottime   9 0\n");
	assert_int_equal(procfs_monotonic_offset_ns(folder_root),
			 0); /* from before time namespaces */
	folder_put_text("proc/self/ns/x", "");
	snprintf(path, sizeof(path), "%s/proc/self/ns/time", folder_root);
	assert_int_equal(symlink("time:[4026532999]", path), 0);
	assert_int_equal(procfs_monotonic_offset_ns(folder_root), -600 * 1000000000LL + 5);
	folder_put_text("proc/self/timens_offsets", "monotonic 9223372036854775807 0\n");
	assert_int_equal(procfs_monotonic_offset_ns(folder_root), 0);
	folder_put_text("proc/self/timens_offsets", "monotonic 9223372036 999999999\n");
	assert_int_equal(procfs_monotonic_offset_ns(folder_root), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("time:[4026531834]", path), 0);
	assert_int_equal(procfs_monotonic_offset_ns(folder_root), 0);
}

/* By now the number is another process's, or nobody's. */
static void test_another(void **state)
{
	struct procfs_process process;

	(void)state;
	procfs_process_read(folder_root, 7, "client", &process);
	assert_string_equal(process.command, "");
	assert_int_equal(process.fds, 0);
	procfs_process_read(folder_root, 9, "server", &process);
	assert_string_equal(process.command, "");
	procfs_process_read(folder_root, 0, "", &process);
	assert_string_equal(process.command, "");
}

static void test_sockstat(void **state)
{
	unsigned int inuse, timewait, all;

	(void)state;
	assert_int_not_equal(procfs_tcp_sockets(folder_root, &inuse, &timewait), 0);
	assert_int_not_equal(procfs_tcp_sockets_of_host(folder_root, &all), 0);
	folder_put_text(
		"proc/thread-self/net/sockstat",
		"sockets: used 5\nTCP: inuse 3 orphan 1 tw 7 alloc 9 mem 2\nUDP: inuse 1 mem 0\n");
	assert_int_equal(procfs_tcp_sockets(folder_root, &inuse, &timewait), 0); /* no IPv6 */
	assert_int_equal(inuse, 3);
	assert_int_equal(timewait, 7);
	assert_int_equal(procfs_tcp_sockets_of_host(folder_root, &all), 0);
	assert_int_equal(all, 9);
	folder_put_text("proc/thread-self/net/sockstat6", "TCP6: inuse 2\n");
	assert_int_equal(procfs_tcp_sockets(folder_root, &inuse, &timewait), 0);
	assert_int_equal(inuse, 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process), cmocka_unit_test(test_container),
		cmocka_unit_test(test_cut),	cmocka_unit_test(test_threads),
		cmocka_unit_test(test_call),	cmocka_unit_test(test_time_namespace),
		cmocka_unit_test(test_another), cmocka_unit_test(test_sockstat),
	};

	return cmocka_run_group_tests_name("procfs_process", tests, folder_make, folder_remove);
}
