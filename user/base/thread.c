// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <signal.h>

#include "base/thread.h"

int thread_start(pthread_t *thread, void *(*work)(void *argument), void *argument)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, NULL, work, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}
