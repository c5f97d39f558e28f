// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "run/events.h"

struct events {
	int epoll;
	int stops;   /* signals that end the tool */
	int reports; /* those that do not */
	sigset_t old_mask;
};

static const int stop_signals[] = { SIGINT, SIGTERM, SIGHUP, 0 };
static const int report_signals[] = { SIGUSR1, SIGCHLD, 0 };

/* Whether who started the tool wants it to go on after @signal, as nohup(1) does with SIGHUP. */
static bool is_ignored(int signal)
{
	struct sigaction action;

	return !sigaction(signal, NULL, &action) && action.sa_handler == SIG_IGN;
}

/* Blocks the signals of a list ended by 0. Returns a descriptor that they are read from, or -1. */
static int take_signals(const int list[])
{
	sigset_t mask;

	sigemptyset(&mask);
	for (; *list; list++)
		if (*list != SIGHUP || !is_ignored(*list))
			sigaddset(&mask, *list);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int watch(struct events *events, int fd, uint32_t what, uint32_t event)
{
	struct epoll_event e = { .events = what, .data.u32 = event };

	return epoll_ctl(events->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

struct events *events_new(int output)
{
	struct events *events = calloc(1, sizeof(*events));
	int err;

	if (!events)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL); /* where it is ignored, no child's end is told */
	sigprocmask(SIG_SETMASK, NULL, &events->old_mask);
	events->stops = take_signals(stop_signals);
	events->reports = take_signals(report_signals);
	events->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (events->stops < 0 || events->reports < 0 || events->epoll < 0 ||
	    watch(events, events->stops, EPOLLIN, EVENT_STOP) ||
	    watch(events, events->reports, EPOLLIN, EVENT_REPORT)) {
		err = errno;
		events_free(events);
		errno = err;
		return NULL;
	}
	/* No input is asked for, only the error; a regular file has none and is refused (EPERM). */
	watch(events, output, 0, EVENT_HANGUP);
	return events;
}

void events_free(struct events *events)
{
	if (!events)
		return;
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

int events_watch_source(struct events *events, int fd)
{
	return watch(events, fd, EPOLLIN, EVENT_SOURCE);
}

/* The signals that are no reason to stop, as events. */
static int read_reports(struct events *events)
{
	struct signalfd_siginfo info;
	int set = 0;

	while (read(events->reports, &info, sizeof(info)) == sizeof(info))
		set |= info.ssi_signo == SIGUSR1 ? EVENT_REPORT : EVENT_CHILD;
	return set;
}

int events_wait(struct events *events, uint64_t timeout_ns)
{
	struct epoll_event ready[4];
	int timeout_ms = -1, count, set = 0;

	/* Rounded up: waking a little late is a wait, a little early is a loop. */
	if (timeout_ns < (uint64_t)INT_MAX * 1000000)
		timeout_ms = (timeout_ns + 999999) / 1000000;
	else if (timeout_ns != EVENTS_FOREVER)
		timeout_ms = INT_MAX;
	count = epoll_wait(events->epoll, ready, sizeof(ready) / sizeof(*ready), timeout_ms);
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++)
		set |= ready[i].data.u32 == EVENT_REPORT ? read_reports(events) :
							   (int)ready[i].data.u32;
	return set;
}
