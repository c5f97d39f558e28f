/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the main loop waits for: the ring, signals, a reader that closes the pipe, and time.
 *
 * Signals that end the tool keep their default action until events_take_stops(). While the tool
 * starts, it opens files, and Ctrl-C must be able to interrupt an open() that never returns. From
 * events_take_stops() on, such signals are reported as events. They are never blocked, so that they
 * interrupt a system call that waits. If the loop has not read a signal for two seconds and another
 * one comes, that one ends the tool by its default action.
 */
#ifndef TCPDWELL_EVENTS_H
#define TCPDWELL_EVENTS_H

#include <signal.h>
#include <stdint.h>

struct events;

/* Bits of the set that events_wait() and events_wait_writable() return. */
enum wake {
	WAKE_STOP = 1 << 0,   /* SIGINT, SIGTERM, SIGHUP */
	WAKE_REPORT = 1 << 1, /* SIGUSR1 */
	WAKE_CHILD = 1 << 2,  /* SIGCHLD */
	WAKE_HANGUP = 1 << 3, /* nobody reads the output any more */
	WAKE_SOURCE = 1 << 4,
	WAKE_WRITABLE = 1 << 5,
};

/* As a timeout: there is no time limit. */
#define EVENTS_FOREVER UINT64_MAX

/*
 * Blocks SIGUSR1 and SIGCHLD, and ignores SIGPIPE, for the whole process. @output is watched so
 * that the loop notices when its reader goes; it stays the caller's. Returns NULL with errno set.
 * The caller frees the events.
 */
struct events *events_new(int output);

/*
 * Frees the events. Signal handlers and masks stay as they are, so that no signal ends the tool on
 * its way out. NULL-safe.
 */
void events_free(struct events *events);

/* Returns the signal mask from before events_new(), for a program that is started. */
const sigset_t *events_old_mask(const struct events *events);

/*
 * Returns a descriptor that is readable while a signal to stop has come that the loop has not read.
 * It is owned by the events.
 */
int events_stop_fd(const struct events *events);

/*
 * Turns signals that end the tool into events from now on. A SIGHUP that was ignored stays ignored.
 */
void events_take_stops(struct events *events);

/* Watches @fd for input. Returns 0 or -errno. */
int events_watch_source(struct events *events, int fd);

/* Waits for at most @timeout_ns. Returns a set of enum wake, which may be 0, or -errno. */
int events_wait(struct events *events, uint64_t timeout_ns);

/*
 * Waits until @fd can be written to, but for at most @timeout_ns. Besides that it waits for signals
 * only. Returns as events_wait() does.
 */
int events_wait_writable(struct events *events, int fd, uint64_t timeout_ns);

#endif /* TCPDWELL_EVENTS_H */
