// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Short connections that both ends close at about the same time: collide PORT COUNT SPREAD_NS
 *
 * Each end waits for some time up to SPREAD_NS after the only bytes that go to and fro, and calls
 * close(). So it happens that the FIN of one comes while the other is in there. A child, called
 * "left", has the listener and accepts; "right" connects. Prints "done" in the end.
 */
#include <arpa/inet.h>
#include <err.h>
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

static void serve(int listener, long number, long spread_ns)
{
	char byte = 0;

	begin("left", 0);
	while (number--) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || read(fd, &byte, 1) != 1 || write(fd, &byte, 1) != 1)
			err(1, "accept");
		wait_for_some_time(spread_ns);
		close(fd);
	}
	exit(0);
}

static void visit(struct sockaddr_in to, long number, long spread_ns)
{
	char byte = 0;

	begin("right", 1);
	for (long i = 0; i < number; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (i / A_HOST << 8));
		if (fd < 0 || connect(fd, (void *)&to, sizeof(to)) || write(fd, &byte, 1) != 1)
			err(1, "connect");
		while (recv(fd, &byte, 1, MSG_DONTWAIT) != 1)
			;
		wait_for_some_time(spread_ns);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = INADDR_ANY };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	long number, spread_ns;

	if (argc != 4)
		errx(2, "collide PORT COUNT SPREAD_NS");
	any.sin_port = htons(atoi(argv[1]));
	number = atol(argv[2]);
	spread_ns = atol(argv[3]);
	if (listener < 0 || bind(listener, (void *)&any, sizeof(any)) || listen(listener, 1))
		err(1, "listen");
	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		serve(listener, number, spread_ns);
	}
	close(listener);
	visit(any, number, spread_ns);
	wait(NULL);
	puts("done");
	return 0;
}
