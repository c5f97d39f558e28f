// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "events.h"

struct events {
	int epoll;
	int signals;
	sigset_t old_mask;
};

static const int watched_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD };

static int watch(struct events *events, int fd, uint32_t what, uint32_t event)
{
	struct epoll_event e = { .events = what, .data.u32 = event };

	return epoll_ctl(events->epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

struct events *events_new(int output)
{
	struct events *events = calloc(1, sizeof(*events));
	sigset_t mask;
	int err;

	if (!events)
		return NULL;
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&mask);
	for (unsigned int i = 0; i < sizeof(watched_signals) / sizeof(*watched_signals); i++)
		sigaddset(&mask, watched_signals[i]);
	sigprocmask(SIG_BLOCK, &mask, &events->old_mask);
	events->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	events->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (events->signals < 0 || events->epoll < 0 ||
	    watch(events, events->signals, EPOLLIN, 0)) {
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
	if (events->signals >= 0)
		close(events->signals);
	sigprocmask(SIG_SETMASK, &events->old_mask, NULL);
	free(events);
}

const sigset_t *events_old_mask(const struct events *events)
{
	return &events->old_mask;
}

int events_signal_fd(const struct events *events)
{
	return events->signals;
}

int events_watch_source(struct events *events, int fd)
{
	return watch(events, fd, EPOLLIN, EVENT_SOURCE);
}

static int read_signals(struct events *events)
{
	struct signalfd_siginfo info;
	int set = 0;

	while (read(events->signals, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGUSR1:
			set |= EVENT_REPORT;
			break;
		case SIGCHLD:
			set |= EVENT_CHILD;
			break;
		default:
			set |= EVENT_STOP;
		}
	}
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
		set |= ready[i].data.u32 ? (int)ready[i].data.u32 : read_signals(events);
	return set;
}
