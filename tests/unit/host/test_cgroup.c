// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Names of cgroups, from a hierarchy of plain directories below a root of the test's own. */
#define _GNU_SOURCE /* nftw() */
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cgroup.h"
#include "host/procfs.h"

#define S 1000000000ULL

#define MOUNTS                                                       \
	"22 1 0:20 / /sys rw,nosuid - sysfs sysfs rw\n"              \
	"31 22 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" \
	"32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"

static char root[] = "/tmp/tcpdwell-cgroup-XXXXXX";

static const char *under(const char *path)
{
	static char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return full;
}

static void make_dir(const char *path)
{
	assert_int_equal(mkdir(under(path), 0755), 0);
}

static uint64_t id_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(under(path), &st), 0);
	return st.st_ino;
}

static void write_mounts(const char *text)
{
	FILE *file = fopen(under("/proc/self/mountinfo"), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root + strlen(root) - 6, "XXXXXX");
	if (!mkdtemp(root))
		return -1;
	make_dir("/proc");
	make_dir("/proc/self");
	make_dir("/cg");
	make_dir("/cg/system.slice");
	make_dir("/cg/system.slice/nginx.service");
	make_dir("/cg/user.slice");
	write_mounts(MOUNTS "41 31 0:38 / /cg rw,relatime shared:9 - cgroup2 cgroup2 rw\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/*
 * ---- The mount ---------------------------------------------------------------------------------
 */

static void assert_mount(const char *mounts, const char *want)
{
	char path[PATH_MAX];

	write_mounts(mounts);
	assert_int_equal(procfs_cgroup2_mount(root, path, sizeof(path)), 0);
	assert_string_equal(path, want);
}

static void test_mount(void **state)
{
	char path[8];

	(void)state;
	assert_mount("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup");
	assert_mount(MOUNTS "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n",
		     "/sys/fs/cgroup/unified");
	/* There may be no optional field, one, or several. */
	assert_mount("30 23 0:26 / /a rw shared:4 master:1 propagate_from:2 - cgroup2 c rw\n",
		     "/a");
	/* A mount of a part is used only if there is none of the whole. */
	assert_mount("30 23 0:26 /docker/1 /a rw - cgroup2 c rw\n", "/a");
	assert_mount("30 23 0:26 /docker/1 /a rw - cgroup2 c rw\n"
		     "31 23 0:26 /docker/2 /b rw - cgroup2 c rw\n"
		     "32 23 0:26 / /c rw - cgroup2 c rw\n",
		     "/c");
	assert_mount("30 23 0:26 / /my\\040cgroups\\134x rw - cgroup2 c rw\n", "/my cgroups\\x");
	/* Lines that end too soon, and no newline at the end. */
	assert_mount("\n30\n30 23 0:26 /\n30 23 0:26 / /a rw\n30 23 0:26 / /a rw -\n"
		     "30 23 0:26 / /b rw - cgroup2 c rw",
		     "/b");

	write_mounts(MOUNTS);
	assert_int_equal(procfs_cgroup2_mount(root, path, sizeof(path)), -ENOENT);
	write_mounts("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	assert_int_equal(procfs_cgroup2_mount(root, path, sizeof(path)), -ENAMETOOLONG);
	assert_int_equal(procfs_cgroup2_mount("/nonexistent", path, sizeof(path)), -ENOENT);
}

/*
 * ---- Names -------------------------------------------------------------------------------------
 */

static void test_names(void **state)
{
	struct cgroup_names *names = cgroup_names_new(root);

	(void)state;
	assert_non_null(names);
	assert_string_equal(cgroup_names_path(names, id_of("/cg"), 100 * S), "/");
	assert_string_equal(cgroup_names_path(names, id_of("/cg/user.slice"), 100 * S),
			    "/user.slice");
	assert_string_equal(cgroup_names_path(names, id_of("/cg/system.slice/nginx.service"),
					      100 * S),
			    "/system.slice/nginx.service");
	assert_null(cgroup_names_path(names, 0, 100 * S));
	assert_null(cgroup_names_path(names, id_of("/proc"), 100 * S));
	cgroup_names_free(names);
}

static void test_none(void **state)
{
	(void)state;
	assert_null(cgroup_names_path(NULL, 1, 100 * S));
	cgroup_names_free(NULL);

	write_mounts(MOUNTS);
	assert_null(cgroup_names_new(root));
	assert_int_equal(errno, ENOENT);
	write_mounts("30 23 0:26 / /gone rw - cgroup2 c rw\n");
	assert_null(cgroup_names_new(root));
	assert_int_equal(errno, ENOENT);
}

static void test_removed_keeps_its_name(void **state)
{
	struct cgroup_names *names = cgroup_names_new(root);
	uint64_t id = id_of("/cg/user.slice");

	(void)state;
	assert_int_equal(rmdir(under("/cg/user.slice")), 0);
	assert_string_equal(cgroup_names_path(names, id, 100 * S), "/user.slice");
	/* They stay unknown through the next walk. */
	assert_null(cgroup_names_path(names, UINT64_MAX, 102 * S));
	assert_string_equal(cgroup_names_path(names, id, 102 * S), "/user.slice");
	cgroup_names_free(names);
}

/* A new cgroup is found; an id without a name costs at most one walk a second. */
static void test_new_cgroup(void **state)
{
	struct cgroup_names *names = cgroup_names_new(root);
	uint64_t first, second;

	(void)state;
	make_dir("/cg/system.slice/first.service");
	first = id_of("/cg/system.slice/first.service");
	assert_string_equal(cgroup_names_path(names, first, 100 * S),
			    "/system.slice/first.service");

	make_dir("/cg/system.slice/second.service");
	second = id_of("/cg/system.slice/second.service");
	assert_null(cgroup_names_path(names, second, 100 * S + 1));
	assert_null(cgroup_names_path(names, second, 100 * S + S / 10 - 1));
	assert_string_equal(cgroup_names_path(names, second, 100 * S + S / 10 + 1),
			    "/system.slice/second.service");
	cgroup_names_free(names);
}

/* Rows from before the last walk do not cause another one. */
static void test_time_out_of_order(void **state)
{
	struct cgroup_names *names = cgroup_names_new(root);

	(void)state;
	assert_null(cgroup_names_path(names, UINT64_MAX, 100 * S));
	make_dir("/cg/new.slice");
	assert_null(cgroup_names_path(names, id_of("/cg/new.slice"), 100 * S - 5));
	cgroup_names_free(names);
}

/* There are more cgroups than the table begins with, and files among the directories. */
static void test_many(void **state)
{
	struct cgroup_names *names;
	char path[64], want[64];
	FILE *file;

	(void)state;
	file = fopen(under("/cg/cgroup.procs"), "w");
	assert_non_null(file);
	fclose(file);
	make_dir("/cg/.hidden");
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/cg/user.slice/session-%d.scope", i);
		make_dir(path);
	}
	names = cgroup_names_new(root);
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "/cg/user.slice/session-%d.scope", i);
		snprintf(want, sizeof(want), "/user.slice/session-%d.scope", i);
		assert_string_equal(cgroup_names_path(names, id_of(path), 0), want);
	}
	assert_string_equal(cgroup_names_path(names, id_of("/cg/.hidden"), 0), "/.hidden");
	assert_null(cgroup_names_path(names, id_of("/cg/cgroup.procs"), 0));
	cgroup_names_free(names);
}

/* Ids without a name fill the table; then the living ones are read again, and memory stays. */
static void test_bounded(void **state)
{
	struct cgroup_names *names = cgroup_names_new(root);

	(void)state;
	for (uint64_t id = 1; id <= CGROUP_MAX + 1000; id++)
		cgroup_names_path(names, id << 32, 100 * S);
	assert_string_equal(cgroup_names_path(names, id_of("/cg/user.slice"), 100 * S),
			    "/user.slice");
	assert_null(cgroup_names_path(names, 1ULL << 60, 102 * S));
	make_dir("/cg/new.slice");
	assert_string_equal(cgroup_names_path(names, id_of("/cg/new.slice"), 104 * S),
			    "/new.slice");
	assert_string_equal(cgroup_names_path(names, id_of("/cg/user.slice"), 104 * S),
			    "/user.slice");
	cgroup_names_free(names);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mount),
		TEST(test_names),
		TEST(test_none),
		TEST(test_new_cgroup),
		TEST(test_removed_keeps_its_name),
		TEST(test_many),
		TEST(test_bounded),
		TEST(test_time_out_of_order),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
