// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Leaks of every kind at once, each in a process of its own that listens on the next port:
 *
 *	forgets: accepts and does not close
 *	inherits: closes, but a child has the connections
 *	passes: closes, but has sent the connections to another process
 *	stuck: does not accept, and its queue is full
 *	slow: closes, but late
 *	threaded: accepts in a thread, which does not close
 *
 * Each logs what serve.h logs. Once nothing changes any more, each also says who has what:
 *
 *	leak KIND PID FD…
 */
#include <pthread.h>

#include "serve.h"

/* Connections that each kind waits for. */
#define LEAKED 6

/* After this time the slow one closes; a look at all of them takes less. */
#define SLOW_S 4

struct leak {
	int listener;
	int fds[LEAKED];
};

static void say(const char *kind, pid_t pid, const struct leak *leak)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "leak %s %d", kind, pid);

	for (int i = 0; leak && i < LEAKED; i++)
		len += snprintf(line + len, sizeof(line) - len, " %d", leak->fds[i]);
	len += snprintf(line + len, sizeof(line) - len, "\n");
	if (write(STDOUT_FILENO, line, len) != len)
		err(1, "standard output");
}

static void accept_all(struct leak *leak)
{
	for (int i = 0; i < LEAKED; i++) {
		leak->fds[i] = accept(leak->listener, NULL, NULL);
		if (leak->fds[i] < 0)
			err(1, "accept");
	}
}

static void close_all(const struct leak *leak)
{
	for (int i = 0; i < LEAKED; i++)
		close(leak->fds[i]);
}

/* Returns 0 in the child, which ends with its parent. */
static pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (!pid)
		serve_die_with(parent);
	return pid;
}

static void forgets(struct leak *leak)
{
	accept_all(leak);
	say("forgets", getpid(), leak);
}

static void inherits(struct leak *leak)
{
	pid_t child;

	accept_all(leak);
	child = fork_child();
	if (!child)
		return;
	close_all(leak);
	say("inherits", child, leak);
}

/* Room for the descriptors in one message, as a server hands connections to its worker. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * LEAKED)];
};

static void pass(int socket, struct leak *leak, bool send)
{
	union control control = { 0 };
	char byte = 0;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(leak->fds));
	if (send)
		memcpy(CMSG_DATA(&control.header), leak->fds, sizeof(leak->fds));
	if ((send ? sendmsg(socket, &message, 0) : recvmsg(socket, &message, 0)) != 1)
		err(1, "descriptors");
	if (!send)
		memcpy(leak->fds, CMSG_DATA(&control.header), sizeof(leak->fds));
}

static void passes(struct leak *leak)
{
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		err(1, "socketpair");
	child = fork_child();
	if (!child) {
		char byte = 0;

		pass(pair[1], leak, false);
		/* The sender must have closed before the receiver is told. */
		if (read(pair[1], &byte, 1) != 1)
			errx(1, "the sender is gone");
		say("passes", getpid(), leak);
		return;
	}
	accept_all(leak);
	pass(pair[0], leak, true);
	close_all(leak);
	if (write(pair[0], "x", 1) != 1)
		err(1, "socketpair");
}

static void stuck(struct leak *leak)
{
	/* The queue takes one more than its limit (sk_acceptq_is_full()). */
	if (listen(leak->listener, LEAKED - 1))
		err(1, "listen");
	say("stuck", getpid(), NULL);
}

static void slow(struct leak *leak)
{
	accept_all(leak);
	say("slow", getpid(), leak);
	sleep(SLOW_S);
	close_all(leak);
}

static void *work(void *arg)
{
	serve_name("worker", 0);
	accept_all(arg);
	return NULL;
}

static void threaded(struct leak *leak)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, leak) || pthread_join(thread, NULL))
		errx(1, "no thread");
	say("threaded", getpid(), leak);
}

static const struct {
	const char *name;
	void (*run)(struct leak *leak);
} kinds[] = {
	{ "forgets", forgets }, { "inherits", inherits }, { "passes", passes },
	{ "stuck", stuck },	{ "slow", slow },	  { "threaded", threaded },
};

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listening[2];
	char byte;

	if (pipe(listening))
		err(1, "pipe");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++, options.port++) {
		struct leak leak;

		if (!fork_child()) {
			serve_name(kinds[i].name, i);
			leak.listener = serve_listen(&options, false);
			if (write(listening[1], "x", 1) != 1)
				err(1, "pipe");
			kinds[i].run(&leak);
			for (;;)
				pause();
		}
		if (read(listening[0], &byte, 1) != 1)
			err(1, "pipe");
	}
	serve_ready();
	for (;;)
		pause();
}
