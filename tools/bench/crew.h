/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the load generators share: a crew of client and server processes, and the protocol with the
 * program that drives them. The load generator prints "ready" on standard output, and starts when a
 * line comes in. When the clients are done, it prints
 *
 *	connections=N failed=N seconds=S cpu_seconds=S
 *
 * with cpu_seconds summed over the crew. When standard input ends, it ends with all sockets that
 * are left. By hand: `(echo; sleep 3) | load -t 2`. Each program of this directory is one source
 * file, hence a header.
 *
 * Only the parent calls crew_*(). Workers run in processes of their own, and write only their own
 * tally.
 */
#ifndef TCPDWELL_BENCH_CREW_H
#define TCPDWELL_BENCH_CREW_H

#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CREW_MAX 256 /* 128 clients with 8,000 sockets each hold a million */

/* The tally of one worker, on a cache line that no other worker writes. */
struct tally {
	_Alignas(64) _Atomic uint64_t opened;
	_Atomic uint64_t failed;
};

struct load {
	unsigned int clients;
	unsigned int servers;
	uint64_t connections; /* of all clients together; 0: until the seconds are over */
	double seconds;	      /* 0: until the connections are made */
	unsigned int pace_us; /* pause after each connection of a client */
	uint16_t port;
	bool hold; /* keep every connection open until the end */
};

/* Lies in memory that the whole crew shares. */
struct shared {
	_Atomic bool stop;
	struct tally tally[CREW_MAX];
};

struct crew {
	const struct load *load;
	pid_t pids[CREW_MAX];
	unsigned int count;
	int gate[2]; /* clients start when the writing end is closed */
	int done[2]; /* clients are done when every writing end is closed */
	struct shared *shared;
};

static inline double seconds_of(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		err(1, "clock_gettime");
	return now.tv_sec + now.tv_nsec / 1e9;
}

/*
 * Returns the CPU time of the crew, user and system, exact to the nanosecond, which rusage is not.
 */
static inline double crew_cpu_seconds(const struct crew *crew)
{
	double sum = 0;

	for (unsigned int i = 0; i < crew->count; i++) {
		clockid_t clock;

		if (clock_getcpuclockid(crew->pids[i], &clock) == 0)
			sum += seconds_of(clock);
	}
	return sum;
}

static inline void crew_init(struct crew *crew, const struct load *load)
{
	*crew = (struct crew){ .load = load };
	if (!load->clients || !load->servers || load->clients + load->servers > CREW_MAX)
		errx(2, "1 to %d clients and servers", CREW_MAX);
	crew->shared = mmap(NULL, sizeof(*crew->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (crew->shared == MAP_FAILED || pipe(crew->gate) || pipe(crew->done))
		err(1, "crew");
	/*
	 * If a peer resets a connection, that connection has failed, but the worker must not end.
	 */
	signal(SIGPIPE, SIG_IGN);
}

/* Starts a server, which runs until it is killed. */
static inline void crew_serve(struct crew *crew, void (*serve)(const struct load *load))
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(crew->done[1]);
		close(crew->gate[1]);
		serve(crew->load);
		_exit(1);
	}
	crew->pids[crew->count++] = pid;
}

/*
 * Starts a client. @connect makes up to @quota connections, until @stop is set. What it opened
 * stays open until the end if the load says so.
 */
static inline void crew_connect(struct crew *crew, uint64_t quota,
				void (*connect)(const struct load *load, uint64_t quota,
						const _Atomic bool *stop, struct tally *tally))
{
	pid_t pid = fork();
	char byte;

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(crew->gate[1]);
		if (read(crew->gate[0], &byte, 1) < 0)
			_exit(1);
		connect(crew->load, quota, &crew->shared->stop, &crew->shared->tally[crew->count]);
		close(crew->done[1]);
		for (;;)
			pause();
	}
	crew->pids[crew->count++] = pid;
}

static inline void crew_wait_line(void)
{
	int c;

	do {
		c = getchar();
	} while (c != EOF && c != '\n');
}

/* Waits until the clients are done, the time is over, or the driver has gone. */
static inline void crew_wait_done(struct crew *crew)
{
	struct pollfd fds[] = {
		{ .fd = crew->done[0], .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	double seconds = crew->load->seconds;
	char byte;

	if (poll(fds, 2, seconds > 0 ? (int)(seconds * 1000) : -1) < 0)
		err(1, "poll");
	atomic_store(&crew->shared->stop, true);
	if (read(crew->done[0], &byte, 1) < 0)
		err(1, "read");
}

static inline void crew_report(const struct crew *crew, double seconds, double cpu_seconds)
{
	uint64_t opened = 0, failed = 0;

	for (unsigned int i = 0; i < crew->count; i++) {
		opened += crew->shared->tally[i].opened;
		failed += crew->shared->tally[i].failed;
	}
	printf("connections=%ju failed=%ju seconds=%.6f cpu_seconds=%.6f\n", (uintmax_t)opened,
	       (uintmax_t)failed, seconds, cpu_seconds);
	fflush(stdout);
}

/* Talks with the driver, runs the load, ends the crew. */
static inline void crew_run(struct crew *crew)
{
	double begin, cpu_begin;

	close(crew->done[1]);
	puts("ready");
	fflush(stdout);
	crew_wait_line();
	cpu_begin = crew_cpu_seconds(crew);
	begin = seconds_of(CLOCK_MONOTONIC);
	close(crew->gate[1]);
	crew_wait_done(crew);
	crew_report(crew, seconds_of(CLOCK_MONOTONIC) - begin, crew_cpu_seconds(crew) - cpu_begin);
	crew_wait_line();
	for (unsigned int i = 0; i < crew->count; i++)
		kill(crew->pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
}

/* Returns a client's share of the connections. */
static inline uint64_t crew_quota(const struct load *load, unsigned int client)
{
	if (!load->connections)
		return UINT64_MAX;
	return load->connections / load->clients + (client < load->connections % load->clients);
}

/* -c CLIENTS -s SERVERS -n CONNECTIONS -t SECONDS -w PAUSE_US -p PORT -k (keep) */
static inline struct load load_options(int argc, char *argv[])
{
	struct load load = { .clients = 4, .servers = 4, .port = 65001 };
	int option;

	while ((option = getopt(argc, argv, "c:s:n:t:w:p:k")) != -1) {
		switch (option) {
		case 'c':
			load.clients = strtoul(optarg, NULL, 10);
			break;
		case 's':
			load.servers = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			load.connections = strtoull(optarg, NULL, 10);
			break;
		case 't':
			load.seconds = strtod(optarg, NULL);
			break;
		case 'w':
			load.pace_us = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			load.port = strtoul(optarg, NULL, 10);
			break;
		case 'k':
			load.hold = true;
			break;
		default:
			exit(2);
		}
	}
	if (!load.connections && load.seconds <= 0)
		errx(2, "-n CONNECTIONS or -t SECONDS is needed");
	return load;
}

#endif /* TCPDWELL_BENCH_CREW_H */
