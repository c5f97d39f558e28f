// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A /proc of our own, and the one of the running kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/descriptors.h"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	strcpy(root, "/tmp/tcpdwell-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* A process with a name, whose descriptors are links. */
static void put_process(unsigned int pid, const char *comm, const char *const links[])
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "mkdir -p %s/proc/%u/fd", root, pid);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/proc/%u/comm", root, pid);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", comm);
	fclose(file);
	for (unsigned int i = 0; links[i]; i++) {
		snprintf(path, sizeof(path), "%s/proc/%u/fd/%u", root, pid, i);
		assert_int_equal(symlink(links[i], path), 0);
	}
}

static void test_who_holds_what(void **state)
{
	static const char *const first[] = { "/dev/null", "socket:[77]", "socket:[5]",
					     "socket:[77]", NULL };
	static const char *const second[] = { "socket:[77]", "pipe:[5]", "socket:[]", NULL };
	const struct descriptor *found;
	struct descriptors *d;
	unsigned int closed;
	size_t count;

	(void)state;
	put_process(20, "fifteen-letters", first);
	put_process(3, "a", second);
	d = descriptors_new(root, &closed);
	assert_non_null(d);
	assert_int_equal(closed, 0);
	found = descriptors_find(d, 77, &count);
	assert_int_equal(count, 3);
	assert_int_equal(found[0].pid, 3);
	assert_int_equal(found[0].fd, 0);
	assert_string_equal(descriptors_comm(d, &found[0]), "a");
	assert_int_equal(found[1].pid, 20);
	assert_int_equal(found[1].fd, 1);
	assert_int_equal(found[2].fd, 3);
	assert_string_equal(descriptors_comm(d, &found[2]), "fifteen-letters");
	descriptors_find(d, 5, &count);
	assert_int_equal(count, 1);
	assert_null(descriptors_find(d, 6, &count));
	assert_null(descriptors_find(d, 78, &count));
	assert_int_equal(count, 0);
	descriptors_free(d);
}

static void test_no_proc(void **state)
{
	unsigned int closed;

	(void)state;
	assert_null(descriptors_new("/nonexistent", &closed));
}

static void test_running_kernel(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	const struct descriptor *found;
	struct descriptors *d;
	unsigned int closed;
	struct stat st;
	size_t count;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	d = descriptors_new("", &closed);
	assert_non_null(d);
	found = descriptors_find(d, st.st_ino, &count);
	assert_int_equal(count, 1);
	assert_int_equal(found->pid, getpid());
	assert_int_equal(found->fd, fd);
	descriptors_free(d);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_holds_what, make_root, remove_root),
		cmocka_unit_test(test_no_proc),
		cmocka_unit_test(test_running_kernel),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
