// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Connects to the port on loopback, reads to the end and never closes. */
#include "serve.h"

#define CONNECTIONS 6

#define APART __attribute__((noinline, noclone))

APART int connect_and_forget(const struct sockaddr *server, socklen_t len)
{
	int fd = socket(server->sa_family, SOCK_STREAM, 0);
	char byte;

	if (fd < 0 || connect(fd, server, len)) /* the line */
		err(1, "connect");
	while (read(fd, &byte, 1) > 0)
		;
	return fd;
}

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons(options.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	for (int i = 0; i < CONNECTIONS; i++)
		connect_and_forget((struct sockaddr *)&server, sizeof(server));
	serve_ready();
	for (;;)
		pause();
}
