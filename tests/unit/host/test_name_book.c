// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Names from plain directories for cgroups, and from plain files for network namespaces. */
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

#include "folder.h"
#include "base/clock.h"
#include "base/notice.h"
#include "host/name_book.h"
#include "host/netns_names.h"
#include "host/steward.h"

#define A      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DOCKER "var/lib/docker/containers/"
#define S      1000000000ULL

static int make_root(void **state)
{
	if (folder_make(state))
		return -1;
	folder_shell("mkdir -p proc/self cg/nginx.service cg/docker-" A ".scope &&"
		     " echo '41 31 0:38 / /cg rw - cgroup2 cgroup2 rw' > proc/self/mountinfo");
	return 0;
}

static uint64_t id_of(const char *path)
{
	char full[256];
	struct stat st;

	snprintf(full, sizeof(full), "%s/%s", folder_root, path);
	assert_int_equal(stat(full, &st), 0);
	return st.st_ino;
}

static void add_docker(const char *name)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "mkdir -p " DOCKER A " && echo '{\"ID\":\"" A "\",\"Name\":\"/%s\"}' > " DOCKER A
		 "/config.v2.json",
		 name);
	folder_shell(command);
}

/* ---- Cgroups --------------------------------------------------------------------------------- */

static void test_cgroups(void **state)
{
	struct name_book *book = name_book_new(folder_root, NULL);
	struct names names;

	(void)state;
	name_book_find(book, id_of("cg/nginx.service"), 0, S, &names);
	assert_string_equal(names_path(&names), "/nginx.service");
	assert_string_equal(names_text(&names, CONTAINER_UNIT), "nginx.service");
	assert_null(names_text(&names, CONTAINER_LABEL));
	assert_int_equal(names_bytes(&names), sizeof("/nginx.service") + sizeof("nginx.service"));
	name_book_find(book, 0, 0, S, &names);
	assert_null(names.cgroup);
	name_book_find(book, UINT64_MAX, 0, S, &names);
	assert_null(names.cgroup);
	name_book_free(book);
	name_book_find(NULL, 1, 1, S, &names);
	assert_null(names.cgroup);
	assert_null(names_path(NULL));
	assert_int_equal(names_bytes(NULL), 0);
}

/* A row keeps the names that it was given, and the next row has the new name. */
static void test_names_that_come_later(void **state)
{
	uint64_t id = id_of("cg/docker-" A ".scope");
	struct name_book *book = name_book_new(folder_root, NULL);
	struct names first, again, later;

	(void)state;
	name_book_find(book, id, 0, 1 * S, &first);
	assert_string_equal(names_text(&first, CONTAINER_LABEL), "aaaaaaaaaaaa");
	add_docker("shop");
	name_book_find(book, id, 0, 2 * S, &again);
	assert_ptr_equal(again.cgroup, first.cgroup);
	name_book_find(book, id, 0, 4 * S, &later);
	assert_string_equal(names_text(&later, CONTAINER_LABEL), "shop");
	assert_string_equal(names_text(&later, CONTAINER_ID), A);
	assert_string_equal(names_text(&first, CONTAINER_LABEL), "aaaaaaaaaaaa");
	assert_true(later.cgroup->serial != first.cgroup->serial);
	name_book_tidy(book);
	assert_string_equal(names_text(&later, CONTAINER_LABEL), "shop");
	/* A cgroup that is gone keeps its name. */
	folder_shell("rmdir cg/docker-" A ".scope");
	name_book_find(book, id, 0, 300 * S, &again);
	assert_string_equal(names_text(&again, CONTAINER_LABEL), "shop");
	name_book_free(book);
}

static void test_more_than_are_remembered(void **state)
{
	struct name_book *book = name_book_new(folder_root, NULL);
	uint64_t id = id_of("cg/nginx.service");
	struct names first, names;

	(void)state;
	name_book_find(book, id, 0, S, &first);
	for (uint64_t i = 1; i < 50000; i++)
		name_book_find(book, i << 40, 0, S, &names);
	assert_string_equal(names_path(&first), "/nginx.service");
	name_book_tidy(book);
	name_book_find(book, id, 0, S, &names);
	assert_string_equal(names_path(&names), "/nginx.service");
	name_book_free(book);
}

static void test_a_steward_looks(void **state)
{
	static const struct notice notice;
	struct steward *steward = steward_new(folder_root, &notice);
	struct name_book *book;
	struct names names;

	(void)state;
	assert_non_null(steward);
	add_docker("shop");
	book = name_book_new(folder_root, steward);
	name_book_find(book, id_of("cg/docker-" A ".scope"), 0, S, &names);
	assert_string_equal(names_path(&names), "/docker-" A ".scope");
	assert_string_equal(names_text(&names, CONTAINER_LABEL), "shop");
	name_book_free(book);
	steward_free(steward);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_root, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cgroups),
		TEST(test_names_that_come_later),
		TEST(test_more_than_are_remembered),
		TEST(test_a_steward_looks),
	};

	return cmocka_run_group_tests_name("name_book", tests, NULL, NULL);
}
