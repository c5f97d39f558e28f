// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Makes many short connections over loopback and prints how many, as one JSON object.
 *
 * Each of several client processes has a server process of its own and one connection at a time: it
 * connects, closes its half, and waits until the server closes the other. So no accept queue ever
 * fills, nothing is retransmitted, and the states of each connection are known: the client goes
 * through FIN_WAIT1, FIN_WAIT2 and TIME_WAIT, and the server through CLOSE_WAIT and LAST_ACK. With
 * --reset the server closes at once by a reset, and both ends are only in ESTABLISHED.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_WORKERS = 64,
	MAX_CONNECTIONS = 10 * 1000 * 1000,
	/*
	 * How many connections a client makes to one port. Each occupies a local port for the
	 * minute of its TIME_WAIT, so this is well below the 28232 that exist
	 * (ip_local_port_range).
	 */
	PORT_SHARE = 14000,
	MAX_LISTENERS = 256,
	/* On a host that works, emulated or not, no step takes as long as this. */
	STEP_LIMIT_S = 60,
};

struct load {
	int family;
	bool reset;
	unsigned int connections; /* of all workers together */
	unsigned int workers;
	unsigned int seconds; /* stop after this time; 0: when all are made */
};

/* A worker's result, in memory that it shares with the parent. */
struct tally {
	pid_t client;
	pid_t server;
	unsigned int listeners;
	int error; /* errno that ended it early */
	uint64_t made;
	uint64_t slowest_ns; /* the longest from connect() to the end of close() */
};

struct listeners {
	unsigned int count;
	int fds[MAX_LISTENERS];
	struct sockaddr_storage addrs[MAX_LISTENERS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Limits the time of each step: a lost connection is an error, not a hang. */
static void set_limit(int fd)
{
	struct timeval limit = { .tv_sec = STEP_LIMIT_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static socklen_t loopback(int family, struct sockaddr_storage *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->ss_family = family;
	if (family == AF_INET6) {
		((struct sockaddr_in6 *)addr)->sin6_addr = in6addr_loopback;
		return sizeof(struct sockaddr_in6);
	}
	((struct sockaddr_in *)addr)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(struct sockaddr_in);
}

static int listen_once(int family, struct sockaddr_storage *addr)
{
	socklen_t len = loopback(family, addr);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)addr, len) || listen(fd, 8) ||
	    getsockname(fd, (struct sockaddr *)addr, &len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Opens the listeners of one worker. They close when the last process that has them ends. */
static int listeners_open(struct listeners *listeners, const struct load *load)
{
	unsigned int share = load->connections / load->workers;

	/* A reset leaves no TIME_WAIT. */
	listeners->count = load->reset ? 1 : share / PORT_SHARE + 1;
	if (listeners->count > MAX_LISTENERS) {
		errno = E2BIG;
		return -1;
	}
	for (unsigned int i = 0; i < listeners->count; i++) {
		listeners->fds[i] = listen_once(load->family, &listeners->addrs[i]);
		if (listeners->fds[i] < 0)
			return -1;
	}
	return 0;
}

/* Serves one client, which knows the order of its listeners, until the process is killed. */
static void __attribute__((noreturn)) serve(const struct listeners *listeners, bool reset)
{
	static const struct linger now = { .l_onoff = 1 };
	char byte;

	for (unsigned int i = 0;; i = (i + 1) % listeners->count) {
		int fd = accept4(listeners->fds[i], NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			_exit(1);
		set_limit(fd);
		if (reset)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		else if (read(fd, &byte, 1))
			_exit(1);
		close(fd);
	}
}

/* Whether this is the server's close as the client sees it: a reset may show at connect(), too. */
static bool is_end(ssize_t result, bool reset)
{
	return reset ? result < 0 && errno == ECONNRESET : result == 0;
}

/* Returns 0 or the errno of the failure. */
static int connect_once(const struct sockaddr_storage *to, bool reset)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;
	char byte;

	if (fd < 0)
		return errno;
	set_limit(fd);
	errno = EPROTO; /* stands if the only fault is that the server sent something */
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		err = is_end(-1, reset) ? 0 : errno;
	else if (!reset && shutdown(fd, SHUT_WR))
		err = errno;
	else if (!is_end(read(fd, &byte, 1), reset))
		err = errno;
	close(fd);
	return err;
}

static void run_client(const struct listeners *listeners, const struct load *load,
		       unsigned int count, struct tally *tally)
{
	uint64_t before_ns = now_ns(), end_ns = before_ns + load->seconds * 1000000000ULL;

	while (tally->made < count && (!load->seconds || before_ns < end_ns)) {
		unsigned int turn = tally->made % listeners->count;
		uint64_t after_ns;

		tally->error = connect_once(&listeners->addrs[turn], load->reset);
		if (tally->error)
			return;
		after_ns = now_ns();
		if (after_ns - before_ns > tally->slowest_ns)
			tally->slowest_ns = after_ns - before_ns;
		before_ns = after_ns;
		tally->made++;
	}
}

/* Returns the pid of a child that ends with its parent; 0 in the child, -1 on failure. */
static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static int start_worker(const struct load *load, unsigned int count, struct tally *tally)
{
	struct listeners listeners;
	pid_t pid;

	if (listeners_open(&listeners, load))
		return -1;
	tally->listeners = listeners.count;
	pid = fork_child();
	if (pid < 0)
		return -1;
	if (!pid)
		serve(&listeners, load->reset);
	tally->server = pid; /* not set in the child, whose 0 everyone would see */
	pid = fork_child();
	if (pid < 0)
		return -1;
	if (!pid) {
		run_client(&listeners, load, count, tally);
		_exit(0);
	}
	tally->client = pid;
	return 0;
}

static int run(const struct load *load, struct tally *tallies)
{
	for (unsigned int i = 0; i < load->workers; i++) {
		/* The first workers take what does not divide evenly. */
		unsigned int count = load->connections / load->workers +
				     (i < load->connections % load->workers);

		if (start_worker(load, count, &tallies[i]))
			return -1;
	}
	for (unsigned int i = 0; i < load->workers; i++)
		waitpid(tallies[i].client, NULL, 0);
	for (unsigned int i = 0; i < load->workers; i++) {
		kill(tallies[i].server, SIGKILL);
		waitpid(tallies[i].server, NULL, 0);
	}
	return 0;
}

/* Prints the sum. Returns a client's error, or 0. */
static int report(const struct load *load, const struct tally *tallies, uint64_t took_ns)
{
	uint64_t made = 0, slowest_ns = 0;
	unsigned int listeners = 0;
	int error = 0;

	for (unsigned int i = 0; i < load->workers; i++) {
		made += tallies[i].made;
		listeners += tallies[i].listeners;
		if (tallies[i].slowest_ns > slowest_ns)
			slowest_ns = tallies[i].slowest_ns;
		if (!error)
			error = tallies[i].error;
	}
	printf("{\"made\":%llu,\"listeners\":%u,\"seconds\":%.3f,\"slowest_ms\":%.3f}\n",
	       (unsigned long long)made, listeners, took_ns / 1e9, slowest_ns / 1e6);
	return error;
}

/* Returns whether @text is a number from 1 to @max. */
static bool parse_number(const char *text, unsigned long max, unsigned int *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = value;
	return *text && !*end && value && value <= max;
}

static bool parse(int argc, char *argv[], struct load *load)
{
	static const struct option options[] = {
		{ "connections", required_argument, NULL, 'c' },
		{ "workers", required_argument, NULL, 'w' },
		{ "seconds", required_argument, NULL, 's' },
		{ "reset", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	bool good = true;
	int option;

	while (good && (option = getopt_long(argc, argv, "6", options, NULL)) != -1) {
		switch (option) {
		case '6':
			load->family = AF_INET6;
			break;
		case 'r':
			load->reset = true;
			break;
		case 'c':
			good = parse_number(optarg, MAX_CONNECTIONS, &load->connections);
			break;
		case 'w':
			good = parse_number(optarg, MAX_WORKERS, &load->workers);
			break;
		case 's':
			good = parse_number(optarg, 3600, &load->seconds);
			break;
		default:
			good = false;
		}
	}
	return good && optind == argc && load->connections >= load->workers;
}

int main(int argc, char *argv[])
{
	struct load load = { .family = AF_INET, .connections = 1000, .workers = 2 };
	struct tally *tallies;
	uint64_t start_ns;
	int err;

	if (!parse(argc, argv, &load)) {
		fprintf(stderr, "usage: rush [-6] [--reset] [--connections N] [--workers N] "
				"[--seconds S]\n");
		return 2;
	}
	tallies = mmap(NULL, sizeof(*tallies) * MAX_WORKERS, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tallies == MAP_FAILED) {
		perror("rush: mmap");
		return 1;
	}
	start_ns = now_ns();
	if (run(&load, tallies)) {
		perror("rush");
		return 1;
	}
	err = report(&load, tallies, now_ns() - start_ns);
	if (err)
		fprintf(stderr, "rush: %s\n", strerror(err));
	return err ? 1 : 0;
}
