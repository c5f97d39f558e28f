// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A server that accepts whatever comes and never closes: what its clients close leaks. */
#include "serve.h"

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listener = serve_listen(&options, false);

	serve_name("keep", 0);
	serve_ready();
	for (;;)
		serve_accept(listener);
}
