// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames on a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "sample.h"
#include "view/screen.h"

#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"

static void assert_frame(const char *frame, unsigned int rows, unsigned int columns,
			 const char *want)
{
	int fd = memfd_create("frame", MFD_CLOEXEC);
	struct text *text = text_new(fd, 1024, NULL);
	char *got;

	assert_int_equal(screen_compose(text, frame, strlen(frame), rows, columns), 0);
	assert_int_equal(text_flush(text), 0);
	got = sample_read(fd);
	assert_string_equal(got, want);
	free(got);
	text_free(text);
	close(fd);
}

static void test_compose(void **state)
{
	(void)state;
	assert_frame("", 24, 80, "\033[H\033[J");
	assert_frame("one\ntwo\n", 24, 80, "\033[Hone\033[K\r\ntwo\033[K\033[J");
	assert_frame("\nend", 24, 80, "\033[H\033[K\r\nend\033[K\033[J");
}

static void test_cut(void **state)
{
	(void)state;
	assert_frame("one\ntwo\n", 1, 80, "\033[Hone\033[K\033[J");
	assert_frame("123456\n12\n", 9, 4, "\033[H1234\033[K\r\n12\033[K\033[J");
	/* µ is two bytes and one column. */
	assert_frame("41µs\n", 9, 4, "\033[H41µs\033[K\033[J");
	assert_frame("410µs\n", 9, 4, "\033[H410µ\033[K\033[J");
}

/* The first frame takes over the terminal, and the last call gives it back. */
static void test_show(void **state)
{
	int fd = memfd_create("screen", MFD_CLOEXEC);
	struct text *text = text_new(fd, 1024, NULL);
	struct screen *screen = screen_new(fd, text);
	char *got;

	(void)state;
	assert_non_null(screen);
	assert_int_equal(screen_show(screen, "a\n", 2), 0);
	assert_int_equal(screen_show(screen, "b\n", 2), 0);
	screen_free(screen);
	screen_free(NULL);
	got = sample_read(fd);
	assert_string_equal(got, ENTER "\033[Ha\033[K\033[J\033[Hb\033[K\033[J" LEAVE);
	free(got);
	text_free(text);
	close(fd);
}

/* Nothing was shown, so there is nothing to give back. */
static void test_not_shown(void **state)
{
	int fd = memfd_create("screen", MFD_CLOEXEC);
	char *got;

	(void)state;
	screen_free(screen_new(fd, NULL));
	got = sample_read(fd);
	assert_string_equal(got, "");
	free(got);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compose),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_show),
		cmocka_unit_test(test_not_shown),
	};

	return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
