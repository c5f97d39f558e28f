// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A command line, with one argument on each line. */
#include <errno.h>
#include <string.h>

#include "cli/options.h"
#include "input.h"

#define ARGS_MAX 64

static int find_user(const char *name, uint32_t *uid)
{
	*uid = 33;
	return strcmp(name, "www-data") ? -ENOENT : 0;
}

static void check(const struct options *options)
{
	uint64_t bytes = options->ring_bytes ?: 64 << 10;

	if (options->help || options->version || options->words)
		return;
	CHECK(options->command <= COMMAND_EXPORT && options->format <= FORMAT_CSV);
	CHECK(bytes >= 64 << 10 && bytes <= 1 << 30 && !(bytes & (bytes - 1)));
	CHECK(!(options->quiet && options->verbose));
	CHECK(memchr(options->filters.comm, 0, sizeof(options->filters.comm)));
	CHECK(options->prefix4 <= 32 && options->prefix6 <= 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	char *text = input_text(&input), *argv[ARGS_MAX + 2] = { "tcpdwell" }, *save, *word;
	struct options_error error = { "" };
	struct options options;
	int argc = 1;

	for (word = strtok_r(text, "\n", &save); word && argc <= ARGS_MAX;
	     word = strtok_r(NULL, "\n", &save))
		argv[argc++] = word;
	if (options_parse(&options, argc, argv, find_user, &error)) {
		size_t len = strnlen(error.text, sizeof(error.text));

		CHECK(len && len < sizeof(error.text) && is_clean(error.text, len));
		CHECK(!memchr(error.text, '\n', len));
	} else {
		check(&options);
	}
	free(text);
	return 0;
}
