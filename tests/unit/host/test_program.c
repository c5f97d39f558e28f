// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "host/program.h"

static struct program *start(char *name)
{
	char *argv[] = { name, NULL };
	struct program *program;
	sigset_t mask;

	sigemptyset(&mask);
	program = program_new(argv, &mask);
	assert_non_null(program);
	assert_false(program_ended(program));
	return program;
}

static void test_runs(void **state)
{
	struct program *program = start("true");
	struct failure failure;
	int status;

	(void)state;
	assert_int_equal(program_go(program, &failure), 0);
	assert_int_equal(waitpid(program_pid(program), &status, 0), program_pid(program));
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	program_free(program);
}

/* A name that was typed is printed on a terminal. */
static void test_cannot_run(void **state)
{
	struct program *program = start("/no\033[31m");
	struct failure failure;

	(void)state;
	assert_int_equal(program_go(program, &failure), -1);
	assert_int_equal(failure.status, STATUS_OTHER);
	assert_string_equal(failure.text, "cannot run '/no\\x1b[31m': No such file or directory");
	program_free(program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_cannot_run),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
