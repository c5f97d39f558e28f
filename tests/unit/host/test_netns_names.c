// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names are mounted for real, in a mount namespace of the test's own. Where there may be none, a
 * text stands for what is mounted.
 */
#define _GNU_SOURCE /* unshare() */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "folder.h"
#include "host/netns_names.h"

static void test_names(void **state)
{
	struct netns_names *names;
	uint64_t now_ns;

	(void)state;
	folder_shell("mkdir -p proc/self run/netns && mkfifo run/netns/green && "
		     "printf '%s\\n' '30 1 0:4 net:[7] /run/netns/blue rw - nsfs nsfs rw' "
		     "'31 1 0:4 net:[8] /run/netns/covered rw - nsfs nsfs rw' "
		     "'32 1 0:4 mnt:[9] /run/netns/other rw - nsfs nsfs rw' "
		     "'33 31 0:50 / /run/netns/covered rw - nfs server:/gone rw' "
		     "> proc/self/mountinfo");
	names = netns_names_new(folder_root);
	now_ns = clock_now_ns();
	assert_string_equal(netns_names_find(names, 7, 1), "blue");
	assert_string_equal(netns_names_find(names, 7, now_ns), "blue");
	for (uint32_t inode = 8; inode < 10; inode++)
		assert_null(netns_names_find(names, inode, now_ns));
	assert_null(netns_names_find(names, 0, now_ns));
	assert_null(netns_names_find(NULL, 7, now_ns));
	netns_names_free(names);
}

/* Without /proc no name is known. */
static void test_nothing_is_told(void **state)
{
	struct netns_names *names = netns_names_new(folder_root);

	(void)state;
	assert_non_null(names);
	assert_null(netns_names_find(names, 7, clock_now_ns()));
	netns_names_free(names);
}

/* ---- Mounted for real ---- */

static int set_up(void **state)
{
	const unsigned long private = MS_REC | MS_PRIVATE;

	(void)state;
	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -1;
	return mount(NULL, "/", NULL, private, NULL) || mount("none", "/run", "tmpfs", 0, NULL) ||
	       mkdir("/run/netns", 0755);
}

static void put(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fclose(file);
	assert_int_equal(mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL), 0);
}

/* The inode of a namespace that has ended is reused; in between it belongs to nobody. */
static void test_a_number_that_is_another(void **state)
{
	struct netns_names *names;
	uint64_t before_ns, between_ns;
	struct stat own;

	if (set_up(state))
		skip();
	assert_int_equal(stat("/proc/self/ns/net", &own), 0);
	names = netns_names_new("");
	assert_null(netns_names_find(names, own.st_ino, clock_now_ns()));
	put("/run/netns/blue");
	before_ns = clock_now_ns();
	assert_string_equal(netns_names_find(names, own.st_ino, before_ns), "blue");
	assert_int_equal(umount("/run/netns/blue"), 0);
	put("/run/netns/green");
	between_ns = clock_now_ns();
	assert_null(netns_names_find(names, own.st_ino, between_ns));
	assert_null(netns_names_find(names, own.st_ino, before_ns));
	assert_string_equal(netns_names_find(names, own.st_ino, clock_now_ns()), "green");
	assert_int_equal(umount("/run/netns/green"), 0);
	assert_null(netns_names_find(names, own.st_ino, clock_now_ns()));
	netns_names_free(names);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_nothing_is_told),
		cmocka_unit_test(test_a_number_that_is_another),
	};

	return cmocka_run_group_tests_name("netns_names", tests, NULL, NULL);
}
