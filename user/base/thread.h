/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads beside the one that does the work.
 */
#ifndef TCPDWELL_THREAD_H
#define TCPDWELL_THREAD_H

#include <pthread.h>

/* Starts @work in a thread. Signals go to the thread that calls this. Returns 0 or -errno. */
int thread_start(pthread_t *thread, void *(*work)(void *argument), void *argument);

#endif /* TCPDWELL_THREAD_H */
