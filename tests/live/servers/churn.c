// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Many short connections whose client closes first: churn PORT COUNT TARGETS
 *
 * A child serves all of 127.0.0.0/8. The process itself connects to TARGETS addresses in turn,
 * COUNT times in all, and leaves a TIME_WAIT each time. It closes alternately by shutdown(), after
 * which it waits for the server's end, and by close(), which makes an orphan. If no port is free,
 * it waits until TIME_WAITs are old enough for their ports to be reused.
 *
 * Prints "server PID", and at the end "done COUNT REFUSED NS": REFUSED is how often no port was
 * free.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "serve.h"

/* The server takes connections one by one, and those that wait meanwhile must find room. */
#define BACKLOG 4096

/* A TIME_WAIT can be reused after a second, so a longer wait for a free port is a hang. */
#define PATIENCE_NS 30000000000ULL
#define PAUSE_NS    5000000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static struct sockaddr_in address(uint32_t host, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(host),
		.sin_port = htons(port),
	};
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in any = address(INADDR_ANY, port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (void *)&any, sizeof(any)) || listen(fd, BACKLOG))
		err(1, "listen");
	return fd;
}

/* Serves connections; closes each after the client has closed. */
static void serve(int listener, uint32_t count)
{
	char byte;

	while (count--) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			err(1, "accept");
		if (read(fd, &byte, 1))
			err(1, "no end from the client");
		close(fd);
	}
}

/* Makes one more connection; returns how often there was no port for it. */
static uint32_t connect_to(uint32_t number, const struct sockaddr_in *to)
{
	uint64_t until_ns = now_ns() + PATIENCE_NS;
	uint32_t refused = 0;
	char byte;

	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			err(1, "socket");
		if (!connect(fd, (const void *)to, sizeof(*to))) {
			if (number % 2 && (shutdown(fd, SHUT_WR) || read(fd, &byte, 1)))
				err(1, "shutdown");
			close(fd);
			return refused;
		}
		if (errno != EADDRNOTAVAIL || now_ns() > until_ns)
			err(1, "connect");
		close(fd);
		refused++;
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
}

int main(int argc, char *argv[])
{
	uint32_t count, targets, refused = 0;
	uint64_t start_ns;
	int listener, status;
	uint16_t port;
	pid_t parent, server;

	if (argc != 4)
		errx(2, "usage: PORT COUNT TARGETS");
	port = atoi(argv[1]);
	count = strtoul(argv[2], NULL, 10);
	targets = strtoul(argv[3], NULL, 10);
	parent = getpid();
	server = fork();
	if (server < 0)
		err(1, "fork");
	if (!server) {
		serve_die_with(parent);
		prctl(PR_SET_NAME, "churn-server");
		/* The child makes the listener, so that it owns it from the first moment. */
		listener = listen_at(port);
		printf("server %d\n", getpid());
		fflush(stdout);
		serve(listener, count);
		return 0;
	}
	/* A line from the test says that the server and the tracer are there. */
	if (getchar() == EOF)
		errx(1, "nobody is there");
	start_ns = now_ns();
	for (uint32_t i = 0; i < count; i++) {
		struct sockaddr_in to = address(INADDR_LOOPBACK + i % targets, port);

		refused += connect_to(i, &to);
	}
	if (waitpid(server, &status, 0) != server || status)
		errx(1, "the server failed");
	printf("done %u %u %llu\n", count, refused, (unsigned long long)(now_ns() - start_ns));
	return 0;
}
