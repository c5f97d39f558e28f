// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The file behind a name is checked before it is opened. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/untrusted.h"

/* Nobody else would end a test that hangs. */
#define HANG_S 10

static void test_fifo(void **state)
{
	char folder[] = "/tmp/tcpdwell-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	alarm(HANG_S);
	assert_int_equal(untrusted_open_file(path, 0), -EINVAL);
	assert_int_equal(untrusted_open_netns(path), -EINVAL);
	alarm(0);
	unlink(path);
	rmdir(folder);
}

static void test_file(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(untrusted_open_file("/dev/zero", 0), -EINVAL);
	assert_int_equal(untrusted_open_file("/proc", 0), -EINVAL);
	assert_int_equal(untrusted_open_file("/nowhere", 0), -ENOENT);
	assert_int_equal(untrusted_open_netns("/nowhere"), -ENOENT);
	assert_int_equal(stat("/proc/self/exe", &st), 0);
	assert_int_equal(untrusted_open_file("/proc/self/exe", st.st_ino + 1), -EINVAL);
	fd = untrusted_open_file("/proc/self/exe", st.st_ino);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void test_netns(void **state)
{
	struct stat is, want;
	int fd;

	(void)state;
	assert_int_equal(untrusted_open_netns("/proc/self/ns/uts"), -EINVAL);
	assert_int_equal(untrusted_open_netns("/proc/self/exe"), -EINVAL);
	fd = untrusted_open_netns("/proc/self/ns/net");
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &is), 0);
	assert_int_equal(stat("/proc/self/ns/net", &want), 0);
	assert_int_equal(is.st_ino, want.st_ino);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fifo),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_netns),
	};

	return cmocka_run_group_tests_name("untrusted", tests, NULL, NULL);
}
