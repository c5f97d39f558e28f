// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Short connections that both ends close at about the same time:
 * collide PORT COUNT SPREAD_NS THREADS
 *
 * Each end waits for some time up to SPREAD_NS after the only bytes that go to and fro, and calls
 * close(). So it happens that the FIN of one comes while the other is in there. A child, called
 * "left", has the listener and accepts; "right" connects. The youngest of so many more threads of a
 * process does that, and the others sleep. Prints "done" in the end.
 */
#include <arpa/inet.h>
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So many have one address of the server's: the client's ports are in TIME_WAIT then. */
#define A_HOST 10000

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void wait_for_some_time(long spread_ns)
{
	uint64_t end_ns = now_ns() + random() % spread_ns;

	while (now_ns() < end_ns)
		;
}

/* Each end has a processor: one of both, if there are no more. */
static void begin(const char *name, int number)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number % count, &set);
	sched_setaffinity(0, sizeof(set), &set);
	prctl(PR_SET_NAME, name);
	srandom(1 + number); /* 0 and 1 give the same */
}

struct end {
	int listener; /* of "left" */
	struct sockaddr_in to;
	long number;
	long spread_ns;
};

static void *sleep_on(void *nothing)
{
	for (;;)
		pause();
	return nothing;
}

/* Has @work done by the youngest of so many threads; with none, by the first thread. */
static void do_by_the_youngest(void *(*work)(void *end), struct end *end, long threads)
{
	pthread_t thread;

	if (!threads) {
		work(end);
		return;
	}
	for (long i = 1; i < threads; i++)
		if (pthread_create(&thread, NULL, sleep_on, NULL))
			errx(1, "pthread_create");
	if (pthread_create(&thread, NULL, work, end) || pthread_join(thread, NULL))
		errx(1, "pthread_create");
}

static void *serve(void *context)
{
	struct end *end = context;
	long number = end->number;
	int listener = end->listener;
	char byte = 0;

	while (number--) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1)
			err(1, "accept");
		wait_for_some_time(end->spread_ns);
		close(fd);
	}
	return NULL;
}

static void *visit(void *context)
{
	struct end *end = context;
	struct sockaddr_in to = end->to;
	char byte = 0;

	for (long i = 0; i < end->number; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (i / A_HOST << 8));
		if (fd < 0 || connect(fd, (void *)&to, sizeof(to)) || write(fd, &byte, 1) != 1)
			err(1, "connect");
		while (recv(fd, &byte, 1, MSG_DONTWAIT) != 1)
			;
		wait_for_some_time(end->spread_ns);
		close(fd);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct end end = {
		.to = { .sin_family = AF_INET, .sin_addr.s_addr = INADDR_ANY },
		.listener = socket(AF_INET, SOCK_STREAM, 0),
	};
	long threads;

	if (argc != 5)
		errx(2, "collide PORT COUNT SPREAD_NS THREADS");
	end.to.sin_port = htons(atoi(argv[1]));
	end.number = atol(argv[2]);
	end.spread_ns = atol(argv[3]);
	threads = atol(argv[4]);
	if (end.listener < 0 || bind(end.listener, (void *)&end.to, sizeof(end.to)) ||
	    listen(end.listener, 1))
		err(1, "listen");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		begin("left", 0);
		do_by_the_youngest(serve, &end, threads);
		exit(0);
	}
	close(end.listener);
	begin("right", 1);
	do_by_the_youngest(visit, &end, threads);
	wait(NULL);
	puts("done");
	return 0;
}
