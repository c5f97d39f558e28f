// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Reads the command line, runs the command, prints why it failed, and decides the exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failure.h"
#include "base/notice.h"
#include "cli/help.h"
#include "cli/options.h"
#include "host/procfs.h"
#include "host/users.h"
#include "run/diagnose.h"
#include "run/explain.h"
#include "run/export.h"
#include "run/leaks.h"
#include "run/life.h"
#include "run/page.h"
#include "run/pids.h"
#include "run/probe.h"
#include "run/session.h"
#include "run/snapshot.h"
#include "run/stat.h"
#include "run/timewait.h"
#include "run/trace.h"
#include "view/explain.h"

/* Indexed by enum command. A command that does not run in a session has a function here instead. */
static const struct {
	const struct command_ops *command;
	int (*run)(const struct options *options, const struct notice *notice,
		   struct failure *failure);
} commands[] = {
	[COMMAND_TRACE] = { .command = &trace_command },
	[COMMAND_TIMEWAIT] = { .command = &timewait_command },
	[COMMAND_PROBE] = { .run = probe_run },
	[COMMAND_SNAPSHOT] = { .command = &snapshot_command },
	[COMMAND_LEAKS] = { .command = &leaks_command },
	[COMMAND_STAT] = { .command = &stat_command },
	[COMMAND_DIAGNOSE] = { .command = &diagnose_command },
	[COMMAND_LIFE] = { .command = &life_command },
	[COMMAND_EXPORT] = { .command = &export_command },
	[COMMAND_EXPLAIN] = { .run = explain_run },
};

/*
 * Opens closed standard descriptors on /dev/null: otherwise a file that is opened later could
 * become standard input or standard error. A closed standard output is an error.
 */
static int check_standard_files(struct failure *failure)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDWR) < 0)
			return failure_errno(failure, "/dev/null", errno);
		if (fd == STDOUT_FILENO)
			return failure_set(failure, STATUS_OTHER, "standard output is closed");
	}
	return 0;
}

static int print_help(FILE *out, const void *context)
{
	const struct options *options = context;

	if (options->help)
		help_print(out, options->command);
	else if (options->version)
		help_print_version(out);
	else
		help_print_words(out, options->command);
	if (options->words && options->command == COMMAND_EXPLAIN)
		explain_words(out);
	return 0;
}

static int run(struct options *options, struct failure *failure)
{
	struct notice notice = { .quiet = options->quiet, .verbose = options->verbose };

	if (check_standard_files(failure))
		return -1;
	if (options->help || options->version || options->words)
		return page_print(print_help, options, failure);
	clock_set_ahead_ns(procfs_monotonic_offset_ns(""));
	pids_settle(&options->filters.pids, "", &notice);
	if (commands[options->command].run)
		return commands[options->command].run(options, &notice, failure);
	return session_run(commands[options->command].command, options, &notice, failure);
}

int main(int argc, char *argv[])
{
	static struct options options;
	struct options_error error;
	struct failure failure;
	int status;

	notice_open();
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write(2) */
	if (options_parse(&options, argc, argv, users_uid, &error)) {
		notice_fail("%s", error.text);
		return STATUS_USE;
	}
	status = run(&options, &failure);
	if (status >= 0)
		return status;
	notice_fail("%s", failure.text);
	return failure.status;
}
