// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A load of short IPv4 connections: connect, exchange a byte, close, with the client closing first.
 * It uses blocking calls and a few client and server processes. It connects to many addresses of
 * the loopback network, so that TIME_WAIT does not use up the ports. It is meant for a network
 * namespace of its own.
 *
 *	load -n CONNECTIONS | -t SECONDS [-c CLIENTS] [-s SERVERS] [-w PAUSE_US] [-p PORT] [-k]
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "crew.h"

/* 64 times 60,000 ports suffice for a minute of TIME_WAIT at any rate that loopback reaches. */
#define ADDRESSES 64
#define BACKLOG	  1024

static int listener = -1;

static void listen_on(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, BACKLOG))
		err(1, "listen on port %u", port);
}

/* Answers one connection and waits for the client's FIN, so that the client closes first. */
static void serve(const struct load *load)
{
	char byte;

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		if (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1 && load->hold)
			continue;
		while (read(fd, &byte, 1) > 0)
			;
		close(fd);
	}
}

/* Returns false if the connection failed, or its byte did not come back. */
static bool exchange(const struct load *load, uint64_t number)
{
	struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons(load->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number % ADDRESSES),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte = 0;
	bool good;

	if (fd < 0)
		return false;
	good = connect(fd, (struct sockaddr *)&server, sizeof(server)) == 0 &&
	       write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1;
	if (!good || !load->hold)
		close(fd);
	return good;
}

static void connect_many(const struct load *load, uint64_t quota, const _Atomic bool *stop,
			 struct tally *tally)
{
	uint64_t first = (uint64_t)getpid(); /* clients begin with different addresses */

	for (uint64_t i = 0; i < quota && !atomic_load(stop); i++) {
		if (exchange(load, first + i))
			tally->opened++;
		else
			tally->failed++;
		if (load->pace_us)
			usleep(load->pace_us);
	}
}

int main(int argc, char *argv[])
{
	struct load load = load_options(argc, argv);
	struct crew crew;

	crew_init(&crew, &load);
	listen_on(load.port);
	for (unsigned int i = 0; i < load.servers; i++)
		crew_serve(&crew, serve);
	for (unsigned int i = 0; i < load.clients; i++)
		crew_connect(&crew, crew_quota(&load, i), connect_many);
	crew_run(&crew);
	return 0;
}
