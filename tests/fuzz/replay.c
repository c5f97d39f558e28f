// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Runs a harness over its corpus, with a test case for each file. So each `make check` tries what
 * libFuzzer once found, and does not need libFuzzer. As fuzz_NAME, it takes tests/fuzz/corpus/NAME.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "input.h"

#define CASES_MAX 256
/* The largest input; libFuzzer's own are no larger. */
#define INPUT_BYTES 65536

static void replay(void **state)
{
	static uint8_t buffer[INPUT_BYTES];
	FILE *file = fopen(*state, "re");
	uint8_t *data;
	size_t size;

	assert_non_null(file);
	size = fread(buffer, 1, sizeof(buffer), file);
	assert_false(ferror(file));
	fclose(file);
	/* The memory has just that size, as with libFuzzer. */
	data = malloc(size ?: 1);
	assert_non_null(data);
	memcpy(data, buffer, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int compare(const void *a, const void *b)
{
	const struct CMUnitTest *one = a, *other = b;

	return strcmp(one->name, other->name);
}

/* Returns how many cases there are. */
static size_t find_cases(const char *folder, struct CMUnitTest *cases)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t count = 0;
	char *path;

	while (dir && count < CASES_MAX && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || asprintf(&path, "%s/%s", folder, entry->d_name) < 0)
			continue;
		cases[count++] = (struct CMUnitTest){
			.name = path + strlen(folder) + 1,
			.test_func = replay,
			.initial_state = path,
		};
	}
	if (dir)
		closedir(dir);
	qsort(cases, count, sizeof(*cases), compare);
	return count;
}

int main(void)
{
	static struct CMUnitTest cases[CASES_MAX];
	const char *name = strchr(program_invocation_short_name, '_');
	char folder[PATH_MAX];
	size_t count;
	int failed;

	snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s", name ? name + 1 : "");
	count = find_cases(folder, cases);
	if (!count) {
		fprintf(stderr, "%s: no input\n", folder);
		return 1;
	}
	failed = _cmocka_run_group_tests(program_invocation_short_name, cases, count, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		free(cases[i].initial_state);
	return failed;
}
