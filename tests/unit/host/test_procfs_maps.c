// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The mappings of this process, and of one that the test makes up. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "host/procfs_maps.h"

static void put_maps(const char *text)
{
	folder_put_text("proc/7/maps", text);
}

static void test_code_alone(void **state)
{
	struct procfs_maps maps;

	(void)state;
	put_maps("400000-401000 r--p 00000000 08:01 12   /bin/server\n"
		 "401000-403000 r-xp 00001000 08:01 12   /bin/server\n"
		 "7f00-7f10 r-xp 00000000 00:00 0 \n"
		 "nonsense\n"
		 "500000-501000 r-xp 00000000 00:31 99   /tmp/a b (deleted)\n"
		 "7ffe0000-7ffe2000 r-xp 00000000 00:00 0   [vdso]\n");
	assert_int_equal(procfs_maps_read(&maps, folder_root, 7), 0);
	assert_int_equal(maps.count, 4);
	assert_int_equal(maps.list[0].start, 0x401000);
	assert_int_equal(maps.list[0].offset, 0x1000);
	assert_int_equal(maps.list[0].inode, 12);
	assert_string_equal(maps.list[0].path, "/bin/server");
	assert_string_equal(maps.list[1].path, "");
	assert_string_equal(maps.list[2].path, "/tmp/a b (deleted)");
	assert_string_equal(maps.list[3].path, "[vdso]");
	procfs_maps_free(&maps);
	procfs_maps_free(&maps);
}

/* Mappings that are left out are not taken for mappings that do not exist. */
static void test_many(void **state)
{
	char *text = malloc((PROCFS_MAPS_MAX + 2) * 64), *at = text;
	struct procfs_maps maps;

	(void)state;
	for (unsigned int i = 1; i <= PROCFS_MAPS_MAX; i++)
		at += sprintf(at, "%x000-%x800 r-xp 0 08:01 1 /a\n", i, i);
	put_maps(text);
	assert_int_equal(procfs_maps_read(&maps, folder_root, 7), 0);
	assert_int_equal(maps.count, PROCFS_MAPS_MAX);
	assert_false(maps.more);
	procfs_maps_free(&maps);
	sprintf(at, "ffff0000-ffff1000 r-xp 0 08:01 1 /a\n");
	put_maps(text);
	assert_int_equal(procfs_maps_read(&maps, folder_root, 7), 0);
	assert_int_equal(maps.count, PROCFS_MAPS_MAX);
	assert_true(maps.more);
	procfs_maps_free(&maps);
	free(text);
}

static void test_find(void **state)
{
	struct procfs_maps maps;

	(void)state;
	put_maps("1000-2000 r-xp 0 08:01 1 /a\n3000-4000 r-xp 0 08:01 2 /b\n");
	assert_int_equal(procfs_maps_read(&maps, folder_root, 7), 0);
	assert_string_equal(procfs_maps_find(&maps, 0x1000)->path, "/a");
	assert_string_equal(procfs_maps_find(&maps, 0x3fff)->path, "/b");
	assert_null(procfs_maps_find(&maps, 0xfff));
	assert_null(procfs_maps_find(&maps, 0x2000));
	assert_null(procfs_maps_find(&maps, UINT64_MAX));
	procfs_maps_free(&maps);
	assert_null(procfs_maps_find(&maps, 0x1000));
}

/* The file that this program is mapped from is this program. */
static void test_own(void **state)
{
	const struct procfs_map *map;
	struct procfs_maps maps;
	struct stat own, mapped;
	int fd;

	(void)state;
	assert_int_equal(procfs_maps_read(&maps, "", getpid()), 0);
	map = procfs_maps_find(&maps, (uintptr_t)test_own);
	assert_non_null(map);
	fd = procfs_map_open("", getpid(), map);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &mapped), 0);
	assert_int_equal(stat("/proc/self/exe", &own), 0);
	assert_int_equal(mapped.st_ino, own.st_ino);
	close(fd);
	procfs_maps_free(&maps);
}

/* A fifo would wait for a writer; another file at that path is another file. */
static void test_what_is_not_opened(void **state)
{
	struct procfs_map map = { .path = "/fifo" };
	char path[128];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/proc/7/root", folder_root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/proc/7/root/fifo", folder_root);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(stat(path, &st), 0);
	map.inode = st.st_ino;
	assert_int_equal(procfs_map_open(folder_root, 7, &map), -EINVAL);
	put_maps("x");
	map.path = "/../maps";
	assert_int_equal(procfs_map_open(folder_root, 7, &map), -EINVAL);
	map.inode = 0;
	assert_int_equal(procfs_map_open(folder_root, 7, &map), -ENOENT);
}

static void test_no_process(void **state)
{
	struct procfs_maps maps;

	(void)state;
	assert_int_equal(procfs_maps_read(&maps, folder_root, 8), -ENOENT);
	assert_int_equal(maps.count, 0);
	procfs_maps_free(&maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_code_alone),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_what_is_not_opened),
		cmocka_unit_test(test_no_process),
	};

	return cmocka_run_group_tests_name("procfs_maps", tests, folder_make, folder_remove);
}
