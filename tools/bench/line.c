// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Measures how long a cache line takes from one processor to another. Two threads, each pinned to
 * one processor, pass a number to and fro in one line. Prints the median of several runs, in
 * nanoseconds for one way.
 *
 *	line CPU OTHER_CPU
 */
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RUNS	301
#define RETURNS 200 /* about ten microseconds: most runs end before an interruption */

static struct {
	_Alignas(128) _Atomic uint32_t turn;
	char rest[128 - sizeof(uint32_t)];
} line;

static double now_ns(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now))
		err(1, "clock_gettime");
	return now.tv_sec * 1e9 + now.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "processor %d", cpu);
}

/* Waits for @turn, and passes the next turn to the other thread. */
static void take(uint32_t turn)
{
	while (atomic_load_explicit(&line.turn, memory_order_acquire) != turn)
		;
	/* As when a lock is taken, the line moves here to be written. */
	atomic_fetch_add(&line.turn, 1);
}

static void *answer(void *cpu)
{
	pin(*(int *)cpu);
	for (uint32_t turn = 1; turn < 2 * RUNS * RETURNS; turn += 2)
		take(turn);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char *argv[])
{
	double ns[RUNS], begin, end;
	uint32_t turn = 0;
	pthread_t thread;
	int other;

	if (argc != 3)
		errx(2, "two processors are wanted");
	other = atoi(argv[2]);
	pin(atoi(argv[1]));
	if (pthread_create(&thread, NULL, answer, &other))
		errx(1, "no thread");
	begin = now_ns();
	for (int run = 0; run < RUNS; run++) {
		for (int i = 0; i < RETURNS; i++, turn += 2)
			take(turn);
		end = now_ns();
		ns[run] = (end - begin) / (2 * RETURNS);
		begin = end;
	}
	pthread_join(thread, NULL);
	qsort(ns, RUNS, sizeof(ns[0]), compare);
	printf("%.1f\n", ns[RUNS / 2]);
	return 0;
}
