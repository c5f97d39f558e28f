/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the main loop waits for: the ring, signals, a reader that closes the pipe, time.
 *
 * Signals that end the tool do what they do by default until events_take_stops(): while it starts,
 * files are opened, and one that never opens must be given up by Ctrl-C. From then on they are told
 * as events. They are never blocked, so that they get the tool out of a call that waits; one that
 * comes while another was not heard of for two seconds ends the tool as by default.
 */
#ifndef TCPDWELL_EVENTS_H
#define TCPDWELL_EVENTS_H

#include <signal.h>
#include <stdint.h>

struct events;

/* Bits of what the functions that wait return. */
enum wake {
	WAKE_STOP = 1 << 0,   /* SIGINT, SIGTERM, SIGHUP */
	WAKE_REPORT = 1 << 1, /* SIGUSR1 */
	WAKE_CHILD = 1 << 2,  /* SIGCHLD */
	WAKE_HANGUP = 1 << 3, /* nobody reads the output any more */
	WAKE_SOURCE = 1 << 4,
	WAKE_WRITABLE = 1 << 5,
};

/* Without a time limit. */
#define EVENTS_FOREVER UINT64_MAX

/*
 * Blocks SIGUSR1 and SIGCHLD and ignores SIGPIPE and SIGXFSZ for the whole process. @output is
 * watched for its reader and stays the caller's. Returns NULL with errno set. The caller frees it.
 */
struct events *events_new(int output);

/* The signals stay as they are: none may end the tool on its way out. NULL-safe. */
void events_free(struct events *events);

/* The signal mask from before, for a program that is started. */
const sigset_t *events_old_mask(const struct events *events);

/* Readable once such a signal has come that the loop has not heard of. Owned by the events. */
int events_stop_fd(const struct events *events);

/* From here on signals that end the tool are events, but for a SIGHUP that was ignored. */
void events_take_stops(struct events *events);

/* Watches @fd for input. Returns 0 or -errno. */
int events_watch_source(struct events *events, int fd);

/* Waits for @timeout_ns at the most. Returns a set of enum wake, 0 for none, or -errno. */
int events_wait(struct events *events, uint64_t timeout_ns);

/* The same until @fd can be written to; but for that, signals alone are waited for. */
int events_wait_writable(struct events *events, int fd, uint64_t timeout_ns);

#endif /* TCPDWELL_EVENTS_H */
