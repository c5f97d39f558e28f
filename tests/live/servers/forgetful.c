// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Accepts and never closes: a leak whose line of code is known. This program is built with frame
 * pointers; forgetful_bare is built without anything that says where a frame's caller is.
 */
#include "serve.h"

/* Keeps functions apart and called: no inlining, and no call that ends in a jump. */
#define APART __attribute__((noinline, noclone))

APART int accept_and_forget(int listener)
{
	int fd = accept(listener, NULL, NULL); /* the line */

	if (fd < 0)
		err(1, "accept");
	serve_log("accept", serve_peer_port(fd));
	return fd;
}

APART int serve_badly(int listener)
{
	int accepted = 0;

	while (accept_and_forget(listener) >= 0)
		accepted++;
	return accepted;
}

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listener = serve_listen(&options, false);

	serve_ready();
	return serve_badly(listener);
}
