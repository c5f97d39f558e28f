// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a snapshot tells about connections, by their ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "model/notes.h"

static void a_note_that_names_a_process_comes_first(void **state)
{
	struct notes *notes = notes_new();
	const struct note *found;

	(void)state;
	assert_non_null(notes);
	assert_null(notes_find(notes, 7));
	notes_add(notes, &(struct note){ .ends = 7 });
	notes_add(notes, &(struct note){ .ends = 9, .pid = 2 });
	assert_int_equal(notes_find(notes, 7)->pid, 0);
	/* A note that is added after a look is found, too. */
	notes_add(notes, &(struct note){ .ends = 7, .pid = 3, .bound = true, .comm = "server" });
	notes_add(notes, &(struct note){ .ends = 7 });
	found = notes_find(notes, 7);
	assert_non_null(found);
	assert_int_equal(found->pid, 3);
	assert_true(found->bound);
	assert_string_equal(found->comm, "server");
	assert_null(notes_find(notes, 8));
	assert_null(notes_find(notes, 10));
	notes_free(notes);
}

static void too_many_are_passed_over(void **state)
{
	struct notes *notes = notes_new();

	(void)state;
	assert_non_null(notes);
	for (uint64_t i = 0; i <= NOTES_MAX; i++)
		notes_add(notes, &(struct note){ .ends = i });
	assert_non_null(notes_find(notes, NOTES_MAX - 1));
	assert_null(notes_find(notes, NOTES_MAX));
	notes_forget(notes);
	assert_null(notes_find(notes, 0));
	notes_add(notes, &(struct note){ .ends = NOTES_MAX });
	assert_non_null(notes_find(notes, NOTES_MAX));
	notes_free(notes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_that_names_a_process_comes_first),
		cmocka_unit_test(too_many_are_passed_over),
	};

	return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
