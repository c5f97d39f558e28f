// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Threads with names of their own accept, serve and close; the first thread only waits. */
#include <pthread.h>

#include "serve.h"

struct worker {
	int listener;
	int number;
};

static void *work(void *arg)
{
	const struct worker *worker = arg;

	serve_name("thread", worker->number);
	serve_forever(worker->listener);
	return NULL;
}

int main(int argc, char *argv[])
{
	struct serve_options options = serve_parse(argc, argv);
	int listener = serve_listen(&options, false);
	struct worker workers[SERVE_WORKERS];
	pthread_t threads[SERVE_WORKERS];

	for (int i = 0; i < SERVE_WORKERS; i++) {
		workers[i] = (struct worker){ .listener = listener, .number = i };
		if (pthread_create(&threads[i], NULL, work, &workers[i]))
			errx(1, "pthread_create");
	}
	serve_ready();
	for (;;)
		pause();
}
