// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/packet.h"
#include "host/symbol_client.h"
#include "host/symbol_keeper.h"
#include "host/symbol_worker.h"

struct symbol_client {
	int stop_fd;
	int keeper; /* negative: there is no keeper any more */
	pid_t keeper_pid;
	int worker; /* negative: none */
	unsigned int generation;
	uint64_t serial;
	uint64_t spent_ns; /* in this look */
	bool stopping;
	const char *reason;
};

struct symbol_client *symbol_client_new(int stop_fd)
{
	struct symbol_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->stop_fd = stop_fd;
	client->worker = -1;
	client->keeper = symbol_keeper_start(&client->keeper_pid);
	if (client->keeper >= 0)
		return client;
	errno = -client->keeper;
	free(client);
	return NULL;
}

static void end_worker(struct symbol_client *client)
{
	if (client->worker >= 0)
		close(client->worker);
	client->worker = -1;
}

static void end_keeper(struct symbol_client *client)
{
	end_worker(client);
	if (client->keeper < 0)
		return;
	close(client->keeper);
	client->keeper = -1;
	waitpid(client->keeper_pid, NULL, 0);
}

void symbol_client_free(struct symbol_client *client)
{
	if (!client)
		return;
	end_keeper(client);
	free(client);
}

void symbol_client_refresh(struct symbol_client *client)
{
	client->spent_ns = 0;
}

const char *symbol_client_reason(const struct symbol_client *client)
{
	return client->reason;
}

/*
 * Waits until @fd can be read. Returns 0, -ECANCELED once nobody waits for answers any more, or
 * -ETIMEDOUT.
 */
static int wait_for(struct symbol_client *client, int fd)
{
	const uint64_t start_ns = clock_now_ns();
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = client->stop_fd, .events = POLLIN }, /* negative: skipped */
	};
	uint64_t took_ns = 0;
	int count = 0;

	do {
		count = poll(fds, 2, (SYMBOL_REQUEST_NS - took_ns) / 1000000 + 1);
		took_ns = clock_now_ns() - start_ns;
	} while (count <= 0 && took_ns < SYMBOL_REQUEST_NS && (!count || errno == EINTR));
	client->spent_ns += took_ns;
	if (count > 0 && fds[1].revents)
		client->stopping = true;
	if (client->stopping)
		return -ECANCELED;
	return count > 0 ? 0 : -ETIMEDOUT;
}

/*
 * ---- Workers ------------------------------------------------------------------------------------
 */

static const char *end_in_words(int32_t status)
{
	if (status < 0)
		return "the process that reads it does not end";
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGBUS ? "it was truncated while it was read" :
		       WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU ?
						    "the process that reads it was killed" :
						    "the process that reads it crashed over it";
	switch (WEXITSTATUS(status)) {
	case SYMBOL_WORKER_UNCONFINED:
		return "the process that reads it could not be confined";
	case SYMBOL_WORKER_LARGE:
		return "to read it takes too much memory";
	case SYMBOL_WORKER_SLOW:
		return "to read it takes too long";
	default:
		return "the process that reads it has ended";
	}
}

/* Takes the keeper's reply. Returns the descriptor that came with it, or -1. */
static int take_reply(int keeper, struct symbol_keeper_reply *record)
{
	int fd;

	if (packet_take(keeper, record, sizeof(*record), &fd, MSG_DONTWAIT) == sizeof(*record))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/*
 * Asks the keeper for a new worker. The keeper ends the one before, and says how that ended.
 * Returns 0, or an error of symbol_client_begin().
 */
static int start_worker(struct symbol_client *client, int32_t *before)
{
	struct symbol_keeper_reply record;
	int err;

	end_worker(client);
	if (client->keeper < 0)
		return -EPIPE;
	err = send(client->keeper, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -EPIPE;
	if (!err)
		err = wait_for(client, client->keeper);
	if (!err) {
		client->worker = take_reply(client->keeper, &record);
		err = client->worker < 0 ? -EPIPE : 0;
	}
	if (err) {
		/* A reply that may still come would be taken for the reply to the next request. */
		end_keeper(client);
		return err == -ECANCELED ? err : -EPIPE;
	}
	client->generation++;
	*before = record.before;
	return 0;
}

int symbol_client_begin(struct symbol_client *client, unsigned int *generation)
{
	int32_t before;
	int err;

	if (client->stopping || client->spent_ns >= SYMBOL_LOOK_NS)
		return -ECANCELED;
	if (client->worker < 0) {
		err = start_worker(client, &before);
		if (err)
			return err;
	}
	*generation = client->generation;
	return 0;
}

/*
 * ---- Requests -----------------------------------------------------------------------------------
 */

static int put_request(int worker, const struct symbol_request *request, int fd)
{
	return packet_send(worker, request, sizeof(*request), fd, MSG_DONTWAIT) ? -EIO : 0;
}

/* Finds out why the worker ended over a request: the keeper says it when it starts another one. */
static void explain(struct symbol_client *client)
{
	int32_t before;
	int err = start_worker(client, &before);

	client->reason = err ? "the process that reads it has ended" : end_in_words(before);
	/* Another worker would fare no better. */
	if (!err && before >= 0 && WIFEXITED(before) &&
	    WEXITSTATUS(before) == SYMBOL_WORKER_UNCONFINED)
		end_keeper(client);
}

int symbol_client_ask(struct symbol_client *client, struct symbol_request *request, int fd,
		      struct symbol_answer *answer)
{
	ssize_t len;
	int err;

	request->serial = ++client->serial;
	err = put_request(client->worker, request, fd);
	if (!err)
		err = wait_for(client, client->worker);
	if (err == -ECANCELED || err == -ETIMEDOUT) {
		end_worker(client);
		client->reason = "to read it takes too long";
		return err == -ETIMEDOUT ? -EIO : err;
	}
	len = err ? 0 : recv(client->worker, answer, sizeof(*answer), MSG_DONTWAIT | MSG_TRUNC);
	if (len <= 0) {
		explain(client);
		return -EIO;
	}
	if (!symbol_answer_is_good(answer, len, request)) {
		end_worker(client);
		client->reason = "the process that reads it gives answers that make no sense";
		return -EIO;
	}
	if (answer->retire)
		end_worker(client);
	return 0;
}
