// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "run/events.h"

/* If the loop has not read a signal for this long, it hangs in a call that no signal interrupts. */
#define UNHEARD_NS 2000000000ULL

struct events {
	int epoll;
	int stops;   /* an eventfd: a signal to stop has come */
	int reports; /* a signalfd: SIGUSR1 and SIGCHLD */
	sigset_t old_mask;
};

/*
 * For the signal handler: the descriptor that it writes to (-1: none), and the time of the first
 * signal that the loop has not read (0: it has read all).
 */
static volatile int told_to = -1;
static volatile uint64_t unheard_ns;

/*
 * Returns true if whoever started the tool wants it to survive @signal, as nohup(1) does with
 * SIGHUP.
 */
static bool is_ignored(int signal)
{
	struct sigaction action;

	return !sigaction(signal, NULL, &action) && action.sa_handler == SIG_IGN;
}

/* Blocks SIGUSR1 and SIGCHLD. Returns a descriptor that they are read from, or -1. */
static int take_reports(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int watch(struct events *events, int fd, uint32_t what, uint32_t wake)
{
	struct epoll_event e = { .events = what, .data.u32 = wake };

	return epoll_ctl(events->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

struct events *events_new(int output)
{
	struct events *events = calloc(1, sizeof(*events));
	int err;

	if (!events)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* if it were ignored, no child's end would be reported */
	sigprocmask(SIG_SETMASK, NULL, &events->old_mask);
	events->stops = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	events->reports = take_reports();
	events->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (events->stops < 0 || events->reports < 0 || events->epoll < 0 ||
	    watch(events, events->stops, EPOLLIN, WAKE_STOP) ||
	    watch(events, events->reports, EPOLLIN, WAKE_REPORT)) {
		err = errno;
		events_free(events);
		errno = err;
		return NULL;
	}
	/*
	 * Only errors are watched for, not input. epoll refuses a regular file (EPERM), which has
	 * no reader.
	 */
	watch(events, output, 0, WAKE_HANGUP);
	return events;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	told_to = -1;
	if (events->epoll >= 0)
		close(events->epoll);
	if (events->stops >= 0)
		close(events->stops);
	if (events->reports >= 0)
		close(events->reports);
	free(events);
}

const sigset_t *events_old_mask(const struct events *events)
{
	return &events->old_mask;
}

int events_stop_fd(const struct events *events)
{
	return events->stops;
}

/* Handles a signal to stop. Async-signal-safe. */
static void on_stop(int signal)
{
	const uint64_t one = 1, now_ns = clock_now_ns();
	struct sigaction usual = { .sa_handler = SIG_DFL };
	int err = errno;

	if (!unheard_ns) {
		unheard_ns = now_ns;
	} else if (now_ns - unheard_ns > UNHEARD_NS) {
		sigaction(signal, &usual, NULL);
		raise(signal);
	}
	if (told_to >= 0 && write(told_to, &one, sizeof(one)) < 0)
		errno = err; /* the eventfd is full: the loop will see it anyway */
	errno = err;
}

void events_take_stops(struct events *events)
{
	/* SA_RESTART is not set, so that the signal interrupts a call that waits. */
	const struct sigaction action = { .sa_handler = on_stop };
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };

	told_to = events->stops;
	for (unsigned int i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		if (stops[i] != SIGHUP || !is_ignored(SIGHUP))
			sigaction(stops[i], &action, NULL);
}

/* Only a wake-up counts: a ring that is left alone for a while has rows in it. */
int events_watch_source(struct events *events, int fd)
{
	return watch(events, fd, EPOLLIN | EPOLLET, WAKE_SOURCE);
}

static int read_stops(struct events *events)
{
	uint64_t count;

	unheard_ns = 0;
	return read(events->stops, &count, sizeof(count)) == sizeof(count) ? WAKE_STOP : 0;
}

/* Reads the signals that are no reason to stop: SIGUSR1 and SIGCHLD. */
static int read_reports(struct events *events)
{
	struct signalfd_siginfo info;
	int set = 0;

	while (read(events->reports, &info, sizeof(info)) == sizeof(info))
		set |= info.ssi_signo == SIGUSR1 ? WAKE_REPORT : WAKE_CHILD;
	return set;
}

/* Rounds up: waking slightly late costs a short wait, waking slightly early makes the loop spin. */
static int milliseconds(uint64_t timeout_ns)
{
	if (timeout_ns < (uint64_t)INT_MAX * 1000000)
		return (timeout_ns + 999999) / 1000000;
	return timeout_ns == EVENTS_FOREVER ? -1 : INT_MAX;
}

int events_wait(struct events *events, uint64_t timeout_ns)
{
	struct epoll_event ready[4];
	int count, set = 0;

	count = epoll_wait(events->epoll, ready, sizeof(ready) / sizeof(*ready),
			   milliseconds(timeout_ns));
	if (count < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < count; i++) {
		if (ready[i].data.u32 == WAKE_STOP)
			set |= read_stops(events);
		else if (ready[i].data.u32 == WAKE_REPORT)
			set |= read_reports(events);
		else
			set |= ready[i].data.u32;
	}
	return set;
}

int events_wait_writable(struct events *events, int fd, uint64_t timeout_ns)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLOUT },
		{ .fd = events->stops, .events = POLLIN },
		{ .fd = events->reports, .events = POLLIN },
	};
	int set = 0;

	if (poll(fds, 3, milliseconds(timeout_ns)) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		set |= WAKE_WRITABLE;
	if (fds[1].revents)
		set |= read_stops(events);
	if (fds[2].revents)
		set |= read_reports(events);
	return set;
}
