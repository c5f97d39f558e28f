// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One listener, several processes that accept from it; the one that listened only waits. */
#include "serve.h"

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listener = serve_listen(&options, false);
	pid_t parent = getpid();

	for (int i = 0; i < SERVE_WORKERS; i++) {
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			serve_die_with(parent);
			serve_name("worker", i);
			serve_forever(listener);
		}
	}
	serve_ready();
	for (;;)
		pause();
}
