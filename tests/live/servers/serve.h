/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the test servers share: a listener, one request of HTTP, and a log of who did what.
 *
 * A server is called as NAME -4|-6 PORT. Each line of its log, on standard output, is a fact that
 * the tracer's rows are compared with:
 *
 *	listen PID COMM NS
 *	accept PID COMM PEER_PORT NS
 *	close PID COMM PEER_PORT NS
 *	ready
 *
 * COMM is the name of the process (of its first thread). NS is CLOCK_MONOTONIC just after the
 * event. One write(2) writes a line, so lines of several processes never mix. The first failure
 * ends the process with a message, and the test sees that the server is gone.
 */
#ifndef SERVE_H
#define SERVE_H

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Enough workers for accepting to take turns between them. */
#define SERVE_WORKERS 4

/* No SYN may be dropped because the queue is full: it would come again a second later. */
#define SERVE_BACKLOG 512

/* The head of curl's request is about 80 bytes. */
#define SERVE_REQUEST_BYTES 2048

struct serve_options {
	int family;
	uint16_t port;
};

static inline struct serve_options serve_parse(int argc, char *argv[])
{
	struct serve_options options = { 0 };

	if (argc == 3 && !strcmp(argv[1], "-4"))
		options.family = AF_INET;
	else if (argc == 3 && !strcmp(argv[1], "-6"))
		options.family = AF_INET6;
	else
		errx(2, "usage: -4|-6 PORT");
	options.port = atoi(argv[2]);
	return options;
}

/* Writes "WHAT PID COMM [PEER_PORT] NS". @peer_port 0 stands for none. */
static inline void serve_log(const char *what, uint16_t peer_port)
{
	char line[128], comm[32] = "", port[8] = "";
	struct timespec now;
	ssize_t len;
	int fd;

	fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);
	if (len < 1)
		err(1, "/proc/self/comm");
	close(fd);
	comm[strcspn(comm, "\n")] = 0;
	if (peer_port)
		snprintf(port, sizeof(port), " %u", peer_port);
	clock_gettime(CLOCK_MONOTONIC, &now);
	len = snprintf(line, sizeof(line), "%s %d %s%s %lld\n", what, getpid(), comm, port,
		       now.tv_sec * 1000000000LL + now.tv_nsec);
	if (write(STDOUT_FILENO, line, len) != len)
		err(1, "standard output");
}

static inline void serve_ready(void)
{
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		err(1, "standard output");
}

/* Returns a listener on all addresses; with @share others may listen on the same port. */
static inline int serve_listen(const struct serve_options *options, bool share)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(options->port) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(options->port) };
	bool is_v6 = options->family == AF_INET6;
	int one = 1, fd;

	fd = socket(options->family, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, share ? SO_REUSEPORT : SO_REUSEADDR, &one, sizeof(one)))
		err(1, "setsockopt");
	if (bind(fd, (struct sockaddr *)(is_v6 ? (void *)&v6 : &v4),
		 is_v6 ? sizeof(v6) : sizeof(v4)))
		err(1, "bind");
	if (listen(fd, SERVE_BACKLOG))
		err(1, "listen");
	serve_log("listen", 0);
	return fd;
}

static inline uint16_t serve_peer_port(int fd)
{
	struct sockaddr_in6 peer = { 0 }; /* its port is at the same place for IPv4 */
	socklen_t len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &len))
		err(1, "getpeername");
	return ntohs(peer.sin6_port);
}

/* Waits for a connection and returns its descriptor. */
static inline int serve_accept(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		err(1, "accept");
	serve_log("accept", serve_peer_port(fd));
	return fd;
}

/* Reads to the end of the request's head; returns whether the request is for the path /last. */
static inline bool serve_read_request(int fd)
{
	char head[SERVE_REQUEST_BYTES];
	size_t len = 0;

	do {
		ssize_t got = read(fd, head + len, sizeof(head) - 1 - len);

		if (got <= 0)
			errx(1, "the request broke off after %zu bytes", len);
		len += got;
		head[len] = 0;
	} while (!strstr(head, "\r\n\r\n"));
	return !strncmp(head, "GET /last ", 10);
}

/*
 * Answers one request and closes: before the client does, or, for the path /last, after it.
 */
static inline void serve_request(int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
	uint16_t peer_port = serve_peer_port(fd);
	bool last = serve_read_request(fd);
	char byte;

	if (write(fd, answer, sizeof(answer) - 1) != sizeof(answer) - 1)
		err(1, "answer");
	if (last && read(fd, &byte, 1) != 0)
		err(1, "no end from the client");
	close(fd);
	serve_log("close", peer_port);
}

static inline void serve_forever(int listener)
{
	for (;;)
		serve_request(serve_accept(listener));
}

/* Names the running thread; the name of the first thread is the name of the process. */
static inline void serve_name(const char *what, int number)
{
	char name[16];

	snprintf(name, sizeof(name), "%s-%d", what, number);
	prctl(PR_SET_NAME, name);
}

/* Makes a child end with its parent: the test knows and ends only the parent. */
static inline void serve_die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		exit(1);
}

#endif /* SERVE_H */
