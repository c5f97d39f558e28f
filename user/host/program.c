// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/escape.h"
#include "host/program.h"

struct program {
	pid_t pid;
	const char *name;
	int gate; /* a byte lets the child go; its end of file then says that exec has worked */
	bool ended;
};

/* The child: waits for the byte, and runs the program. If that fails, it answers with the errno. */
static void __attribute__((noreturn)) child(const int gates[2], char *argv[], const sigset_t *mask)
{
	int gate = gates[1], err;
	char byte;

	close(gates[0]); /* otherwise the end of the parent's side would not be seen */

	if (read(gate, &byte, 1) == 1) {
		sigprocmask(SIG_SETMASK, mask, NULL);
		signal(SIGPIPE, SIG_DFL);
		signal(SIGXFSZ, SIG_DFL);
		execvp(argv[0], argv);
		err = errno;
		if (write(gate, &err, sizeof(err)) < 0)
			_exit(126);
	}
	_exit(127);
}

struct program *program_new(char *argv[], const sigset_t *mask)
{
	struct program *program = calloc(1, sizeof(*program));
	int gate[2], err;

	if (!program)
		return NULL;
	program->name = argv[0];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate))
		goto err;
	program->pid = fork();
	if (program->pid == 0)
		child(gate, argv, mask);
	err = errno;
	close(gate[1]);
	program->gate = gate[0];
	if (program->pid > 0)
		return program;
	close(gate[0]);
	errno = err;
err:
	free(program);
	return NULL;
}

void program_free(struct program *program)
{
	if (!program)
		return;
	close(program->gate);
	free(program);
}

pid_t program_pid(const struct program *program)
{
	return program->pid;
}

/* Lets the child go. Returns 0, or the errno of execvp(3). */
static int let_go(struct program *program)
{
	ssize_t len;
	int err = 0;

	if (write(program->gate, "", 1) != 1)
		return errno;
	do {
		len = read(program->gate, &err, sizeof(err));
	} while (len < 0 && errno == EINTR);
	return len == sizeof(err) ? err : 0;
}

int program_go(struct program *program, struct failure *failure)
{
	int err = let_go(program);
	struct shown shown;

	if (!err)
		return 0;
	return failure_set(failure, STATUS_OTHER, "cannot run '%s': %s",
			   escape_shown(&shown, program->name), strerror(err));
}

bool program_ended(struct program *program)
{
	int status;

	if (!program->ended)
		program->ended = waitpid(program->pid, &status, WNOHANG) != 0;
	return program->ended;
}
