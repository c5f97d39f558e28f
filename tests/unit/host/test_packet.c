// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets and descriptors, from one end of a pair of sockets to the other. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/packet.h"

static int ends[2];

static int open_ends(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_ends(void **state)
{
	(void)state;
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return 0;
}

static void test_without_descriptor(void **state)
{
	char got[8];
	int fd = 0;

	(void)state;
	assert_int_equal(packet_send(ends[0], "hello", 5, -1, 0), 0);
	assert_int_equal(packet_take(ends[1], got, sizeof(got), &fd, 0), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(fd, -1);
	assert_int_equal(packet_take(ends[1], got, sizeof(got), &fd, MSG_DONTWAIT), -EAGAIN);
}

static void test_with_descriptor(void **state)
{
	int pipes[2], fd = -1;
	char got[8];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(packet_send(ends[0], "fd", 2, pipes[1], 0), 0);
	close(pipes[1]);
	assert_int_equal(packet_take(ends[1], got, sizeof(got), &fd, 0), 2);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(read(pipes[0], got, sizeof(got)), 1);
	assert_int_equal(read(pipes[0], got, sizeof(got)),
			 0); /* no copy of the other end is left */
	close(pipes[0]);
}

/* What is too long is refused, and no descriptor that came with it stays open. */
static void test_too_long(void **state)
{
	int pipes[2], fd = 0;
	char got[4];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(packet_send(ends[0], "hello", 5, pipes[1], 0), 0);
	close(pipes[1]);
	assert_int_equal(packet_take(ends[1], got, sizeof(got), &fd, 0), -EMSGSIZE);
	assert_int_equal(fd, -1);
	assert_int_equal(read(pipes[0], got, sizeof(got)), 0);
	close(pipes[0]);
}

static void test_no_room_for_the_descriptor(void **state)
{
	struct rlimit limit, none;
	char got[8];
	int fd = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(packet_send(ends[0], "fd", 2, STDIN_FILENO, 0), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(packet_take(ends[1], got, sizeof(got), &fd, 0), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(fd, -1);
}

static void test_the_other_side_has_ended(void **state)
{
	char got[4];
	int fd = 0;

	(void)state;
	close(ends[1]);
	ends[1] = -1;
	assert_int_equal(packet_send(ends[0], "hello", 5, -1, 0), -EPIPE);
	assert_int_equal(packet_take(ends[0], got, sizeof(got), &fd, 0), 0);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_without_descriptor, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_with_descriptor, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_no_room_for_the_descriptor, open_ends,
						close_ends),
		cmocka_unit_test_setup_teardown(test_too_long, open_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_the_other_side_has_ended, open_ends,
						close_ends),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
