// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the command line, runs the command, says what went wrong, and owns the exit status.
 */
#include <stdio.h>

#include "account.h"
#include "failure.h"
#include "help.h"
#include "notice.h"
#include "options.h"
#include "trace.h"

static int run(const struct options *options, struct failure *failure)
{
	struct notice notice = { .quiet = options->quiet, .verbose = options->verbose };

	switch (options->command) {
	case COMMAND_TRACE:
		return trace_run(options, &notice, failure);
	default:
		return failure_set(failure, STATUS_USE, "not a command of this build");
	}
}

int main(int argc, char *argv[])
{
	static struct options options;
	struct options_error error;
	struct failure failure;

	if (options_parse(&options, argc, argv, account_uid, &error)) {
		fprintf(stderr, "tcpdwell: %s\n", error.text);
		return STATUS_USE;
	}
	if (options.help)
		help_print(stdout, options.command);
	else if (options.version)
		help_print_version(stdout);
	else if (run(&options, &failure)) {
		fprintf(stderr, "tcpdwell: %s\n", failure.text);
		return failure.status;
	}
	return 0;
}
