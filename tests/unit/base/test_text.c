// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The output buffer: when it writes, and what it does if a descriptor does not take all of it. */
#define _GNU_SOURCE /* pipe2(), F_SETPIPE_SZ */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "sample.h"

/* Appends @len times @c. Returns 0 or the buffer's error. */
static int append(struct text *text, char c, size_t len)
{
	char *p = text_reserve(text, len);

	if (!p)
		return text_error(text);
	memset(p, c, len);
	text_commit(text, p + len);
	return 0;
}

static void test_writes_when_flushed(void **state)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct text *text = text_new(fd, 100, NULL);
	char *got;

	(void)state;
	assert_int_equal(append(text, 'a', 30), 0);
	assert_int_equal(append(text, 'b', 1), 0);
	got = sample_read(fd);
	assert_string_equal(got, "");
	free(got);

	assert_int_equal(text_flush(text), 0);
	got = sample_read(fd);
	assert_string_equal(got, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab");
	free(got);

	/* Nothing is written twice. */
	assert_int_equal(text_flush(text), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 31);
	text_free(text);
	close(fd);
}

static void test_writes_when_full(void **state)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct text *text = text_new(fd, 100, NULL);

	(void)state;
	assert_int_equal(append(text, 'a', 60), 0);
	assert_int_equal(append(text, 'b', 40), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(append(text, 'c', 1), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 100);
	text_free(text);
	close(fd);
}

/* What a full buffer writes ends with a block of the file, whatever a flush wrote before. */
static void test_files_get_whole_blocks(void **state)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct text *text = text_new(fd, TEXT_BLOCK_BYTES + 4096, NULL);
	size_t total = 0, written = 0;
	unsigned int writes = 0;
	char *got;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		size_t end;

		assert_int_equal(append(text, 'a' + i % 26, 300), 0);
		total += 300;
		end = lseek(fd, 0, SEEK_CUR);
		if (end != written) {
			assert_int_equal(end % TEXT_BLOCK_BYTES, 0);
			writes++;
		}
		if (i == 400) {
			assert_int_equal(text_flush(text), 0);
			end = lseek(fd, 0, SEEK_CUR);
			assert_int_equal(end, total);
		}
		written = end;
	}
	assert_int_equal(writes, total / TEXT_BLOCK_BYTES);
	assert_int_equal(text_flush(text), 0);
	got = sample_read(fd);
	assert_int_equal(strlen(got), total);
	for (size_t i = 0; i < total; i++)
		assert_int_equal(got[i], 'a' + i / 300 % 26);
	free(got);
	text_free(text);
	close(fd);
}

/* If the end of a block leaves no room for a reservation, it gets the whole buffer. */
static void test_room_goes_before_blocks(void **state)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct text *text = text_new(fd, TEXT_ROWS_BYTES, NULL);

	(void)state;
	assert_int_equal(append(text, 'a', TEXT_ROWS_BYTES), 0);
	assert_int_equal(append(text, 'b', TEXT_ROWS_BYTES), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), TEXT_ROWS_BYTES);
	assert_int_equal(text_flush(text), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 2 * TEXT_ROWS_BYTES);
	text_free(text);
	close(fd);
}

static void test_reservation_beyond_buffer(void **state)
{
	struct text *text = text_new(-1, 100, NULL);

	(void)state;
	assert_null(text_reserve(text, 101));
	assert_int_equal(text_error(text), -EMSGSIZE);
	text_free(text);
}

static void test_free_of_null(void **state)
{
	(void)state;
	text_free(NULL);
}

static void test_closed_pipe(void **state)
{
	struct text *text;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	text = text_new(fds[1], 100, NULL);
	assert_int_equal(append(text, 'a', 10), 0);
	assert_int_equal(text_flush(text), -EPIPE);

	/* The error stays, and what could not be written does not pile up. */
	assert_null(text_reserve(text, 1));
	assert_int_equal(text_error(text), -EPIPE);
	assert_int_equal(text_flush(text), -EPIPE);
	text_free(text);
	close(fds[1]);
}

static void test_full_disk(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct text *text;

	(void)state;
	if (fd < 0)
		skip();
	text = text_new(fd, 100, NULL);
	assert_int_equal(append(text, 'a', 100), 0);
	assert_int_equal(append(text, 'a', 1), -ENOSPC);
	assert_int_equal(text_flush(text), -ENOSPC);
	text_free(text);
	close(fd);
}

/* A reader that takes its time, and checks that nothing is lost, doubled or out of order. */
struct reader {
	int fd;
	size_t wrong;
	size_t total;
};

static void *read_slowly(void *arg)
{
	struct reader *reader = arg;
	char bytes[1000];
	sigset_t all;
	ssize_t n;

	/* Signals are for the writer. One that it has not taken yet would go to this thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	while ((n = read(reader->fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			reader->wrong += bytes[i] != (char)('a' + (reader->total + i) / 5000 % 26);
		reader->total += n;
		usleep(100);
	}
	return NULL;
}

/* Writes 200 pieces through a pipe of a page, so that no write takes the whole buffer. */
static void write_through_small_pipe(int flags)
{
	struct reader reader = {};
	struct text *text;
	pthread_t thread;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[1], F_SETFL, flags), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
	reader.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, read_slowly, &reader), 0);

	text = text_new(fds[1], 64 * 1024, NULL);
	for (int i = 0; i < 200; i++)
		assert_int_equal(append(text, 'a' + i % 26, 5000), 0);
	assert_int_equal(text_flush(text), 0);
	text_free(text);
	close(fds[1]);

	assert_int_equal(pthread_join(thread, NULL), 0);
	close(fds[0]);
	assert_int_equal(reader.total, 200 * 5000);
	assert_int_equal(reader.wrong, 0);
}

static void test_pipe_that_does_not_block(void **state)
{
	(void)state;
	write_through_small_pipe(O_NONBLOCK);
}

/* Puts more than the buffer holds, behind what is in it. */
static void test_put_of_any_length(void **state)
{
	enum { BYTES = 1000 };
	char data[BYTES], got[BYTES + 2];
	int fds[2];
	struct text *text;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	text = text_new(fds[1], 64, NULL);
	memset(data, 'x', sizeof(data));
	assert_int_equal(text_put(text, "a", 1), 0);
	assert_int_equal(text_put(text, data, sizeof(data)), 0);
	assert_int_equal(text_put(text, data, 0), 0);
	assert_int_equal(text_flush(text), 0);
	assert_int_equal(read(fds[0], got, sizeof(got)), BYTES + 1);
	assert_true(got[0] == 'a' && !memcmp(got + 1, data, BYTES));
	close(fds[0]);
	assert_int_equal(text_put(text, data, sizeof(data)), -EPIPE);
	text_free(text);
	close(fds[1]);
}

/*
 * ---- The end of the output ----------------------------------------------------------------------
 */

/* Waits this many times before it gives up. */
static int wait_for_a_while(void *context, int fd)
{
	int *left = context;

	(void)fd;
	return (*left)-- > 0 ? 0 : -ECANCELED;
}

/* Writes lines of 100 bytes into a pipe of a page, from which nothing is read before the end. */
static void test_end_of_waiting(void **state)
{
	int fds[2], left = 1;
	const struct text_wait wait = { wait_for_a_while, &left };
	char line[100], got[8192];
	struct text *text;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
	text = text_new(fds[1], 64 * 1024, &wait);
	for (int i = 0; i < 100; i++)
		assert_int_equal(text_put(text, line, sizeof(line)), 0);
	assert_int_equal(text_unwritten(text), 100);
	assert_int_equal(text_flush(text), -ECANCELED);

	/* Only whole lines were written, and the others are counted. */
	assert_int_equal(text_unwritten(text), 60);
	assert_int_equal(text_put(text, line, sizeof(line)), -ECANCELED);
	assert_int_equal(read(fds[0], got, sizeof(got)), 4000);

	/* A last line may follow. */
	left = 1;
	assert_int_equal(text_resume(text), 0);
	assert_int_equal(text_put(text, "end\n", 4) ?: text_flush(text), 0);
	assert_int_equal(read(fds[0], got, sizeof(got)), 4);
	assert_int_equal(text_unwritten(text), 60);
	text_free(text);
	close(fds[0]);
	close(fds[1]);
}

/* Half of a line was written: nothing can be written behind it. */
static void test_end_within_a_line(void **state)
{
	int fds[2], left = 1;
	const struct text_wait wait = { wait_for_a_while, &left };
	char line[5000];
	struct text *text;

	(void)state;
	memset(line, 'x', sizeof(line));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	text = text_new(fds[1], 64 * 1024, &wait);
	assert_int_equal(text_put(text, line, sizeof(line)), 0);
	assert_int_equal(text_flush(text), -ECANCELED);
	assert_int_equal(text_resume(text), -ECANCELED);
	text_free(text);
	close(fds[0]);
	close(fds[1]);
}

/* A file may hold 1 000 bytes: it gets whole lines of 300, behind what was there before. */
static void test_file_ends_with_a_whole_line(void **state)
{
	struct rlimit before, limit;
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct text *text = text_new(fd, TEXT_REPORT_BYTES, NULL);
	char line[300];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 1000;
	for (int i = 0; i < 5; i++)
		assert_int_equal(text_put(text, line, sizeof(line)), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(text_flush(text), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 900);
	assert_int_equal(text_unwritten(text), 2);
	text_free(text);
	close(fd);
}

static void ignore_signal(int number)
{
	(void)number;
}

/* A timer that fires every 200 µs interrupts the writes: some are cut short, some not begun. */
static void test_interrupted_writes(void **state)
{
	const struct sigaction action = { .sa_handler = ignore_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	const struct itimerspec often = { { 0, 200000 }, { 0, 200000 } };
	struct sigaction old;
	timer_t timer;

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
	assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
	write_through_small_pipe(0);
	assert_int_equal(timer_delete(timer), 0);
	assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes_when_flushed),
		cmocka_unit_test(test_writes_when_full),
		cmocka_unit_test(test_files_get_whole_blocks),
		cmocka_unit_test(test_room_goes_before_blocks),
		cmocka_unit_test(test_reservation_beyond_buffer),
		cmocka_unit_test(test_free_of_null),
		cmocka_unit_test(test_closed_pipe),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_pipe_that_does_not_block),
		cmocka_unit_test(test_interrupted_writes),
		cmocka_unit_test(test_put_of_any_length),
		cmocka_unit_test(test_end_of_waiting),
		cmocka_unit_test(test_end_within_a_line),
		cmocka_unit_test(test_file_ends_with_a_whole_line),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
