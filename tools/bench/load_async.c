// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Another load, by other means than load.c: IPv6, many processes with several connections in flight
 * on an epoll instance, and the server closes first. So TIME_WAIT is on the server's side, where a
 * new SYN from the same port replaces it, and one address is enough.
 *
 *	load_async -n CONNECTIONS | -t SECONDS [-c CLIENTS] [-s SERVERS] [-p PORT]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "crew.h"

#define IN_FLIGHT 16 /* connections a client has open at a time */
#define EVENTS	  64
#define BACKLOG	  4096

static int listener = -1;

static void listen_on(uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1;

	listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, BACKLOG))
		err(1, "listen on port %u", port);
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		err(1, "epoll_ctl");
}

static int new_epoll(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		err(1, "epoll_create1");
	return epoll;
}

static void accept_all(int epoll)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(epoll, fd, EPOLLIN);
}

/* Sends the byte back and closes. Returns false if no byte had come yet. */
static bool answer(int fd)
{
	char byte;
	ssize_t got = read(fd, &byte, 1);

	if (got < 0 && errno == EAGAIN)
		return false;
	if (got == 1 && write(fd, &byte, 1) != 1)
		warn("write");
	return true;
}

static void serve(const struct load *load)
{
	struct epoll_event events[EVENTS];
	int epoll = new_epoll();

	(void)load;
	watch(epoll, listener, EPOLLIN | EPOLLEXCLUSIVE);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener)
				accept_all(epoll);
			else if (answer(events[i].data.fd))
				close(events[i].data.fd);
		}
	}
}

/* Begins a connection. When this returns, it is under way, or counted as failed. */
static bool begin(const struct load *load, int epoll, struct tally *tally)
{
	struct sockaddr_in6 server = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(load->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0 ||
			errno == EINPROGRESS)) {
		watch(epoll, fd, EPOLLOUT);
		return true;
	}
	if (fd >= 0)
		close(fd);
	tally->failed++;
	return false;
}

/*
 * Takes a connection one step further: once connected, it sends its byte. Returns true once it is
 * over and closed.
 */
static bool advance(int epoll, const struct epoll_event *event, struct tally *tally)
{
	struct epoll_event next = { .events = EPOLLIN, .data.fd = event->data.fd };
	int fd = event->data.fd;
	char bytes[2] = { 0 };
	ssize_t got;

	if (event->events & EPOLLOUT && !(event->events & (EPOLLERR | EPOLLHUP)) &&
	    write(fd, bytes, 1) == 1) {
		epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &next);
		return false;
	}
	got = read(fd, bytes, sizeof(bytes));
	if (got > 0 || (got < 0 && errno == EAGAIN))
		return false;
	if (got == 0)
		tally->opened++;
	else
		tally->failed++;
	close(fd);
	return true;
}

static void connect_many(const struct load *load, uint64_t quota, const _Atomic bool *stop,
			 struct tally *tally)
{
	struct epoll_event events[EVENTS];
	unsigned int in_flight = 0;
	uint64_t begun = 0;
	int epoll = new_epoll();

	for (;;) {
		while (in_flight < IN_FLIGHT && begun < quota && !atomic_load(stop)) {
			in_flight += begin(load, epoll, tally);
			begun++;
		}
		if (!in_flight)
			break;
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++)
			in_flight -= advance(epoll, &events[i], tally);
	}
	close(epoll);
}

int main(int argc, char *argv[])
{
	struct load load = load_options(argc, argv);
	struct crew crew;

	if (load.hold || load.pace_us)
		errx(2, "this load neither keeps connections nor pauses");
	crew_init(&crew, &load);
	listen_on(load.port);
	for (unsigned int i = 0; i < load.servers; i++)
		crew_serve(&crew, serve);
	for (unsigned int i = 0; i < load.clients; i++)
		crew_connect(&crew, crew_quota(&load, i), connect_many);
	crew_run(&crew);
	return 0;
}
