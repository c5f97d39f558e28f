// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Several processes, each with a listener of its own on the same port (SO_REUSEPORT). */
#include "serve.h"

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	pid_t parent = getpid();
	int gate[2];
	char byte;

	if (pipe(gate))
		err(1, "pipe");
	for (int i = 0; i < SERVE_WORKERS; i++) {
		int listener;

		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			serve_die_with(parent);
			serve_name("worker", i);
			listener = serve_listen(&options, true);
			if (write(gate[1], "", 1) != 1)
				err(1, "gate");
			serve_forever(listener);
		}
	}
	for (int i = 0; i < SERVE_WORKERS; i++)
		if (read(gate[0], &byte, 1) != 1)
			err(1, "gate");
	serve_ready();
	for (;;)
		pause();
}
