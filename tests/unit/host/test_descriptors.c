// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Descriptors in a /proc that the test makes, and in the running kernel's. */
#include <dirent.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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
#include "host/descriptors.h"

/* Makes a process with a name, whose descriptors are links. */
static void put_process(unsigned int pid, const char *comm, const char *const links[])
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "mkdir -p %s/proc/%u/fd", folder_root, pid);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/proc/%u/comm", folder_root, pid);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n", comm);
	fclose(file);
	for (unsigned int i = 0; links[i]; i++) {
		snprintf(path, sizeof(path), "%s/proc/%u/fd/%u", folder_root, pid, i);
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
	d = descriptors_new(folder_root, &closed);
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

/* The first thread of a process has ended, and its table is found by another thread. */
static void test_first_thread_has_ended(void **state)
{
	static const char *const none[] = { NULL };
	const struct descriptor *found;
	struct descriptors *d;
	unsigned int closed;
	char command[512];
	size_t count;

	(void)state;
	put_process(50, "threads", none);
	snprintf(command, sizeof(command),
		 "cd %s/proc/50 && mkdir -p task/50/fd task/51/fd task/52/fd && "
		 "ln -s 'socket:[99]' task/51/fd/3 && ln -s 'socket:[99]' task/52/fd/3",
		 folder_root);
	assert_int_equal(system(command), 0);
	d = descriptors_new(folder_root, &closed);
	assert_non_null(d);
	found = descriptors_find(d, 99, &count);
	assert_int_equal(count, 1);
	assert_int_equal(found->pid, 50);
	assert_int_equal(found->fd, 3);
	assert_string_equal(descriptors_comm(d, found), "threads");
	descriptors_free(d);
}

/* A process that is to end when its folder of descriptors was opened; 0: none. */
static pid_t ending;

/* Stands before the library's. */
DIR *fdopendir(int fd)
{
	DIR *(*next)(int fd) = (DIR * (*)(int)) dlsym(RTLD_NEXT, "fdopendir");
	char path[64], link[64] = {}, wanted[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(wanted, sizeof(wanted), "/proc/%d/fd", ending);
	if (ending && readlink(path, link, sizeof(link) - 1) > 0 && !strcmp(link, wanted)) {
		kill(ending, SIGKILL);
		waitpid(ending, NULL, 0);
		ending = 0;
	}
	return next(fd);
}

static int take_any(void *context, const struct descriptor_holder *holder)
{
	(void)context;
	assert_true(holder->pid != 0);
	return 0;
}

/* A process that ends while it is looked at does not end the walk. */
static void test_process_that_ends(void **state)
{
	unsigned int closed;

	(void)state;
	ending = fork();
	assert_true(ending >= 0);
	while (!ending)
		pause();
	assert_int_equal(descriptors_each("", take_any, NULL, &closed), 0);
	assert_int_equal(ending, 0);
}

/* The lines by which different kernels tell of the fixed files of an io_uring. */
static const char fdinfo_5_10[] = "pos:\t0\nflags:\t02000002\nmnt_id:\t14\n"
				  "SqMask:\t0x0\nSqThread:\t-1\nSqThreadCpu:\t-1\n"
				  "UserFiles:\t3\n    0: TCP\n    1: <none>\n    2: TCP\n"
				  "UserBufs:\t0\nPollList:\n";
static const char fdinfo_6_7[] = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t2063\n"
				 "SqThread:\t-1\nSqThreadCpu:\t-1\n"
				 "UserFiles:\t5\n    0: socket:[77]\n    1: <none>\n"
				 "    2: /tmp/socket:[9]\n    3: /a\\040b\n    4: socket:[8]\n"
				 "UserBufs:\t1\n    0: socket:[6]\nPollList:\n";
static const char fdinfo_6_18[] =
	"pos:\t0\nflags:\t02000002\nmnt_id:\t17\nino:\t4536227\nSqMask:\t0x0\nCQEs:\t0\n"
	"SqThread:\t-1\nSqThreadCpu:\t-1\nSqTotalTime:\t0\nSqWorkTime:\t0\n"
	"UserFiles:\t3\n    0: socket:[4536230]\n    2: socket:[4536229]\n"
	"UserBufs:\t0\nPollList:\nCqOverflowList:\nNAPI:\tdisabled\n";
/* If another process has the ring's lock, the kernel tells only how many files there are. */
static const char fdinfo_locked[] = "SqThread:\t-1\nUserFiles:\t3\nUserBufs:\t0\n";

/* Puts the sockets of a ring into @inodes. Returns how many there are. */
static size_t fixed_files(const char *text, uint32_t inodes[8])
{
	char *copy = strdup(text), *rest = copy, *line;
	bool files = false;
	size_t count = 0;

	assert_non_null(copy);
	while ((line = strsep(&rest, "\n"))) {
		uint32_t inode = descriptors_fixed_file(line, &files);

		if (inode)
			inodes[count++] = inode;
	}
	free(copy);
	return count;
}

static void test_fixed_files(void **state)
{
	uint32_t inodes[8];

	(void)state;
	assert_int_equal(fixed_files(fdinfo_5_10, inodes), 0);
	assert_int_equal(fixed_files(fdinfo_locked, inodes), 0);
	assert_int_equal(fixed_files(fdinfo_6_7, inodes), 2);
	assert_int_equal(inodes[0], 77);
	assert_int_equal(inodes[1], 8);
	assert_int_equal(fixed_files(fdinfo_6_18, inodes), 2);
	assert_int_equal(inodes[0], 4536230);
	assert_int_equal(inodes[1], 4536229);
}

/* A ring's files are its process's; text that looks alike in another's path counts for nobody. */
static void test_who_has_the_ring(void **state)
{
	static const char *const links[] = { "anon_inode:[io_uring]", "socket:[5]", NULL };
	static const char long_path[] = "    5: /%0300d\n    6: socket:[6]\n";
	const struct descriptor *found;
	struct descriptors *d;
	unsigned int closed;
	char path[256];
	size_t count;
	FILE *file;

	(void)state;
	put_process(7, "ring", links);
	snprintf(path, sizeof(path), "mkdir -p %s/proc/7/fdinfo", folder_root);
	assert_int_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/proc/7/fdinfo/0", folder_root);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "UserFiles:\t7\n    0: socket:[77]\n");
	fprintf(file, long_path, 0);
	fclose(file);
	d = descriptors_new(folder_root, &closed);
	assert_non_null(d);
	found = descriptors_find(d, 77, &count);
	assert_int_equal(count, 1);
	assert_int_equal(found->pid, 7);
	assert_int_equal(found->fd, TCPDWELL_NO_FD);
	assert_string_equal(descriptors_comm(d, found), "ring");
	descriptors_find(d, 6, &count);
	assert_int_equal(count, 1);
	found = descriptors_find(d, 5, &count);
	assert_int_equal(count, 1);
	assert_int_equal(found->fd, 1);
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
		cmocka_unit_test_setup_teardown(test_first_thread_has_ended, folder_make,
						folder_remove),
		cmocka_unit_test_setup_teardown(test_who_holds_what, folder_make, folder_remove),
		cmocka_unit_test(test_process_that_ends),
		cmocka_unit_test(test_fixed_files),
		cmocka_unit_test_setup_teardown(test_who_has_the_ring, folder_make, folder_remove),
		cmocka_unit_test(test_no_proc),
		cmocka_unit_test(test_running_kernel),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
