// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Accepts in the parent. For each connection a child with another name serves and closes it. */
#include "serve.h"

static void serve_in_child(int fd, int number)
{
	int gate[2];
	char byte;

	if (pipe(gate))
		err(1, "pipe");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		serve_name("child", number);
		/* The last one to close sends the FIN, so the child waits until the parent has
		 * closed. */
		close(gate[1]);
		if (read(gate[0], &byte, 1))
			errx(1, "the parent speaks");
		serve_request(fd);
		_exit(0);
	}
	close(fd);
	close(gate[0]);
	close(gate[1]);
}

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listener = serve_listen(&options, false);

	signal(SIGCHLD, SIG_IGN); /* the kernel reaps */
	serve_ready();
	for (int number = 0;; number = (number + 1) % 1000)
		serve_in_child(serve_accept(listener), number);
}
