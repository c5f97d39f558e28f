// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/confine.h"
#include "host/packet.h"
#include "host/symbol_keeper.h"
#include "host/symbol_worker.h"

/*
 * How long the keeper waits for a worker to end. A worker that waits for a file cannot be killed,
 * and is let go.
 */
#define END_STEP_US 2000
#define END_STEPS   100

/* The name in lists of processes. */
#define NAME "tcpdwell-names"

static int32_t end_worker(pid_t worker)
{
	int status;

	if (worker <= 0)
		return -1;
	/* A worker that is already ending keeps its status. */
	kill(worker, SIGKILL);
	for (unsigned int i = 0; i < END_STEPS; i++) {
		pid_t ended = waitpid(worker, &status, WNOHANG);

		if (ended)
			return ended == worker ? status : -1;
		usleep(END_STEP_US);
	}
	return -1;
}

static _Noreturn void become_worker(int socket, pid_t keeper)
{
	/* This also closes the keeper's own socket in the worker. */
	socket = confine_files(socket);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (socket < 0 || getppid() != keeper)
		_exit(SYMBOL_WORKER_UNCONFINED);
	symbol_worker_run(socket);
}

/*
 * Starts a worker. Returns its process, and sets @socket to the tracer's end of its socket, or
 * -errno.
 */
static pid_t start_worker(int *socket)
{
	pid_t keeper = getpid(), worker;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	worker = fork();
	if (!worker)
		become_worker(ends[1], keeper);
	if (worker < 0) {
		worker = -errno;
		close(ends[0]);
	}
	close(ends[1]);
	*socket = ends[0];
	return worker;
}

static int reply(int socket, int32_t before, int worker_socket)
{
	const struct symbol_keeper_reply record = { .before = before };

	return packet_send(socket, &record, sizeof(record), worker_socket, 0);
}

static _Noreturn void keep(int socket)
{
	pid_t worker = -1;
	char byte;

	confine_signals(SIGALRM);
	prctl(PR_SET_NAME, NAME);
	socket = confine_files(socket);
	if (socket < 0 || confine_identity())
		_exit(SYMBOL_WORKER_UNCONFINED);
	while (recv(socket, &byte, sizeof(byte), 0) == sizeof(byte)) {
		int worker_socket = -1, err;
		int32_t before = end_worker(worker);

		worker = start_worker(&worker_socket);
		if (worker < 0)
			break;
		err = reply(socket, before, worker_socket);
		close(worker_socket);
		if (err)
			break;
	}
	if (worker > 0)
		kill(worker, SIGKILL);
	_exit(SYMBOL_WORKER_DONE);
}

int symbol_keeper_start(pid_t *pid)
{
	int ends[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	*pid = fork();
	if (!*pid)
		keep(ends[1]);
	err = *pid < 0 ? -errno : 0;
	close(ends[1]);
	if (!err)
		return ends[0];
	close(ends[0]);
	return err;
}
