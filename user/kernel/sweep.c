// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/privilege.h"
#include "kernel/programs.h"
#include "kernel/sweep.h"
#include "kernel/tables.h"
#include "wire.h"

/* The pause between looks is as long as TIME_WAIT: before that few connections can be gone. */
#define PERIOD_NS 60000000000ULL

/* A look takes at most this share of a processor, so with many connections the pause is longer. */
#define PAUSE_RUNS 1000

struct sweep {
	const struct programs *programs;
	const struct tables *tables;
	pthread_t thread;
	int stop;	      /* an eventfd; negative: the thread does not run */
	int err;	      /* the first error of a look; 0: none */
	pthread_mutex_t busy; /* held while a look goes on */
};

static void keep_error(struct sweep *sweep, int err)
{
	if (err && !sweep->err)
		sweep->err = err;
}

/* Goes through all slots and tables. */
static void pass(struct sweep *sweep)
{
	int fd;

	for (unsigned int i = 0; i < TCPDWELL_RECENT_MAPS; i++) {
		fd = tables_recent_fd(sweep->tables, i);
		if (fd >= 0)
			keep_error(sweep, programs_sweep_recent(sweep->programs, i, fd));
	}
	for (unsigned int i = 0; (fd = tables_fd(sweep->tables, i)) >= 0; i++)
		keep_error(sweep, programs_sweep_table(sweep->programs, i, fd));
}

/* Looks at all. Returns how many nanoseconds it took. */
static uint64_t sweep_all(struct sweep *sweep)
{
	uint64_t begin_ns = clock_now_ns();

	pthread_mutex_lock(&sweep->busy);
	pass(sweep);
	pthread_mutex_unlock(&sweep->busy);
	return clock_now_ns() - begin_ns;
}

static void *work(void *argument)
{
	struct sweep *sweep = argument;
	struct pollfd stop = { .fd = sweep->stop, .events = POLLIN };
	uint64_t pause_ns = PERIOD_NS;

	while (!poll(&stop, 1, pause_ns / 1000000)) {
		pause_ns = sweep_all(sweep) * PAUSE_RUNS;
		if (pause_ns < PERIOD_NS)
			pause_ns = PERIOD_NS;
	}
	return NULL;
}

struct sweep *sweep_new(const struct programs *programs, const struct tables *tables)
{
	struct sweep *sweep = malloc(sizeof(*sweep));
	int err;

	if (!sweep)
		return NULL;
	*sweep = (struct sweep){ programs, tables, .stop = eventfd(0, EFD_CLOEXEC) };
	pthread_mutex_init(&sweep->busy, NULL);
	err = sweep->stop < 0 ? -errno : privilege_thread_start(&sweep->thread, false, work, sweep);
	if (!err)
		return sweep;
	if (sweep->stop >= 0)
		close(sweep->stop);
	pthread_mutex_destroy(&sweep->busy);
	free(sweep);
	errno = -err;
	return NULL;
}

static void stop(struct sweep *sweep)
{
	if (sweep->stop < 0)
		return;
	eventfd_write(sweep->stop, 1);
	pthread_join(sweep->thread, NULL);
	close(sweep->stop);
	sweep->stop = -1;
}

int sweep_finish(struct sweep *sweep)
{
	if (!sweep)
		return 0;
	stop(sweep);
	sweep_all(sweep);
	return sweep->err;
}

int sweep_tell_open(struct sweep *sweep, volatile uint32_t *asked)
{
	int before, err;

	if (!sweep)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&sweep->busy);
	before = sweep->err;
	sweep->err = 0;
	__atomic_store_n(asked, 1, __ATOMIC_SEQ_CST);
	pass(sweep);
	__atomic_store_n(asked, 0, __ATOMIC_SEQ_CST);
	err = sweep->err;
	sweep->err = before;
	pthread_mutex_unlock(&sweep->busy);
	return err;
}

void sweep_free(struct sweep *sweep)
{
	if (!sweep)
		return;
	stop(sweep);
	pthread_mutex_destroy(&sweep->busy);
	free(sweep);
}
