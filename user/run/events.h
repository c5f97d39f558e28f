/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the main loop waits for: the ring, signals, a reader that closes the pipe, time.
 */
#ifndef TCPDWELL_EVENTS_H
#define TCPDWELL_EVENTS_H

#include <signal.h>
#include <stdint.h>

struct events;

/* Bits of what events_wait() returns. */
enum event {
	EVENT_STOP = 1 << 0,   /* SIGINT, SIGTERM, SIGHUP */
	EVENT_REPORT = 1 << 1, /* SIGUSR1 */
	EVENT_CHILD = 1 << 2,  /* SIGCHLD */
	EVENT_HANGUP = 1 << 3, /* nobody reads the output any more */
	EVENT_SOURCE = 1 << 4,
};

/* events_wait() without a time limit. */
#define EVENTS_FOREVER UINT64_MAX

/*
 * Blocks the signals and ignores SIGPIPE for the whole process. @output is watched for its reader
 * and stays the caller's. Returns NULL with errno set. The caller frees it.
 */
struct events *events_new(int output);

/* The signals stay blocked: one that has come must not end the tool on its way out. NULL-safe. */
void events_free(struct events *events);

/* The signal mask from before, for a program that is started. */
const sigset_t *events_old_mask(const struct events *events);

/* Readable once a signal has come that ends the tool. Owned by the events. */
int events_stop_fd(const struct events *events);

/* Watches @fd for input. Returns 0 or -errno. */
int events_watch_source(struct events *events, int fd);

/* Waits for @timeout_ns at the most. Returns a set of enum event, 0 for none, or -errno. */
int events_wait(struct events *events, uint64_t timeout_ns);

#endif /* TCPDWELL_EVENTS_H */
