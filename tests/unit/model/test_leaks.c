// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Verdicts, and that each says no more than what was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "host/procfs_process.h"
#include "model/leaks.h"
#include "service.h"
#include "view/leaks_report.h"

#define SECOND 1000000000ULL
#define START  (1000 * SECOND)
#define OLDER  (60 * SECOND)

static const struct filters no_filters;

struct scene {
	struct sockets *sockets;
	struct leaks *leaks;
};

static int make(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	scene->sockets = sockets_new();
	scene->leaks = leaks_new(1U << TCPDWELL_CLOSE_WAIT, OLDER);
	*state = scene;
	return 0;
}

static int unmake(void **state)
{
	struct scene *scene = *state;

	leaks_free(scene->leaks);
	sockets_free(scene->sockets);
	free(scene);
	return 0;
}

/* Returns a socket of process 10 behind descriptor @fd, in CLOSE_WAIT since @since_ns. */
static struct tcpdwell_socket socket_of(uint32_t fd, uint64_t since_ns)
{
	return (struct tcpdwell_socket){
		.kind = TCPDWELL_SOCKET,
		.key = 1000 + fd,
		.state = TCPDWELL_CLOSE_WAIT,
		.family = 4,
		.since = TCPDWELL_DWELL_EXACT,
		.since_ns = since_ns,
		.lport = 80,
		.rport = 40000,
		.pid = 10,
		.fd = fd,
		.owner = TCPDWELL_OWNER_ACCEPT,
		.owner_pid = 10,
		.comm = "server",
		.raddr = { 192, 0, 2, fd % 2 },
	};
}

static void add(struct scene *scene, struct tcpdwell_socket s)
{
	assert_int_equal(sockets_add(scene->sockets, &s), 0);
}

static const struct leak *look(struct scene *scene, uint64_t now_ns)
{
	assert_int_equal(leaks_look(scene->leaks, scene->sockets, &no_filters, now_ns), 0);
	return leaks_count(scene->leaks) ? leaks_at(scene->leaks, 0) : NULL;
}

/* A connection of process 10 leaves CLOSE_WAIT at @now_ns, after @dwell_ns. */
static void close_one(struct scene *scene, uint64_t now_ns, uint64_t dwell_ns)
{
	struct tcpdwell_transition t = {
		.from = TCPDWELL_CLOSE_WAIT,
		.to = TCPDWELL_LAST_ACK,
		.dwell = TCPDWELL_DWELL_EXACT,
		.time_ns = now_ns,
		.dwell_ns = dwell_ns,
		.owner = TCPDWELL_OWNER_ACCEPT,
		.pid = 10,
		.comm = "server",
	};

	leaks_event(scene->leaks, &t);
}

static void assert_text(const struct leak *leak, const struct procfs_process *process,
			const char *want)
{
	static const struct procfs_process unknown;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	leaks_verdict(out, leak, process ? process : &unknown, OLDER);
	fclose(out);
	assert_string_equal(text, want);
	free(text);
}

static void test_nothing(void **state)
{
	struct scene *scene = *state;

	assert_null(look(scene, START));
	assert_false(leaks_found(scene->leaks));
	add(scene, socket_of(5, START - OLDER + 1));
	assert_null(look(scene, START));
	assert_int_equal(leaks_younger(scene->leaks), 1);
	assert_false(leaks_found(scene->leaks));
}

static void test_first_look(void **state)
{
	struct scene *scene = *state;
	const struct leak *leak;

	for (uint32_t fd = 5; fd < 9; fd++)
		add(scene, socket_of(fd, START - OLDER - fd * SECOND));
	add(scene, socket_of(20, START - OLDER));
	add(scene, socket_of(21, START));
	leak = look(scene, START);
	assert_non_null(leak);
	assert_true(leaks_found(scene->leaks));
	assert_int_equal(leak->verdict, LEAK_LEAKS);
	assert_int_equal(leak->count, 5);
	assert_int_equal(leak->younger, 1);
	assert_int_equal(leak->ages.oldest.least_ns, OLDER + 8 * SECOND);
	assert_int_equal(leak->ages.median.most_ns, OLDER + 6 * SECOND);
	assert_int_equal(leak->range_count, 2);
	assert_int_equal(leak->ranges[0].first, 5);
	assert_int_equal(leak->ranges[0].last, 8);
	assert_int_equal(leak->ranges[1].first, 20);
	assert_int_equal(leak->peer_count, 2);
	assert_int_equal(leak->peers[0].count, 3);
	assert_int_equal(leak->lports[0].port, 80);
	assert_int_equal(leak->watched_ns, 0);
	assert_text(leak, NULL, "leaks: 5 in CLOSE_WAIT for 60.0s or longer");
}

/* Looks for ten minutes, each time at so many sockets more; returns the last look's leak. */
static const struct leak *grow(struct scene *scene, uint32_t sockets_per_minute)
{
	const struct leak *leak = NULL;
	uint32_t fd = 0;

	for (uint32_t minute = 0; minute <= 10; minute++) {
		for (uint32_t i = 0; i < sockets_per_minute; i++)
			add(scene, socket_of(fd++, START - OLDER));
		leak = look(scene, START + minute * 60 * SECOND);
	}
	return leak;
}

static void test_growth_and_limit(void **state)
{
	const struct procfs_process process = { .fds = 64, .fd_limit = 1024 };
	const struct leak *leak = grow(*state, 4);

	assert_int_equal(leak->count, 44);
	assert_float_equal(leak->growth, 4, 0.001);
	assert_true(leak->only_grows);
	assert_int_equal(leak_limit_s(leak, 64, 1024), 960 / 4 * 60);
	assert_text(leak, &process,
		    "leaks: 44 in CLOSE_WAIT, none closed in 10m00s, +4/min, limit 1024 in 4h00m");
}

/* Two looks at the same time have no rate between them, and JSON none to print. */
static void test_two_looks_at_once(void **state)
{
	struct scene *scene = *state;

	look(scene, START);
	for (uint32_t fd = 5; fd < 7; fd++) {
		add(scene, socket_of(fd, START - OLDER));
		assert_true(look(scene, START + SECOND)->growth == 0);
	}
}

static void test_slow(void **state)
{
	struct scene *scene = *state;
	const struct leak *leak;

	add(scene, socket_of(5, START - OLDER));
	look(scene, START);
	for (int i = 0; i < 3; i++)
		close_one(scene, START + SECOND, OLDER + 2 * SECOND);
	leak = look(scene, START + 10 * SECOND);
	assert_int_equal(leak->verdict, LEAK_SLOW);
	assert_int_equal(leak->closed, 3);
	assert_false(leaks_found(scene->leaks));
	sockets_clear(scene->sockets);
	leak = look(scene, START + 20 * SECOND); /* none is left, but the leak was seen */
	assert_non_null(leak);
	assert_int_equal(leak->verdict, LEAK_SLOW);
	assert_int_equal(leak->count, 0);
	assert_string_equal(leak->comm, "server");
}

/* A process that closes the others at once still leaks. */
static void test_leaks_beside_quick_closes(void **state)
{
	struct scene *scene = *state;
	const struct leak *leak;

	add(scene, socket_of(5, START - OLDER));
	look(scene, START);
	for (int i = 0; i < 100; i++)
		close_one(scene, START + SECOND, SECOND / 1000);
	leak = look(scene, START + 10 * SECOND);
	assert_int_equal(leak->verdict, LEAK_LEAKS);
	assert_text(leak, NULL, "leaks: 1 in CLOSE_WAIT, 100 closed, all of them young, in 10.0s");
}

/* A close of long ago is no excuse any more. */
static void test_leaks_after_a_late_close(void **state)
{
	struct scene *scene = *state;
	const struct leak *leak = NULL;
	uint64_t now_ns = START;

	add(scene, socket_of(5, START - OLDER));
	look(scene, now_ns);
	close_one(scene, now_ns + SECOND, OLDER + 2 * SECOND);
	for (uint64_t end_ns = START + 2 * LEAK_PAST_NS; now_ns < end_ns;) {
		now_ns += 10 * SECOND;
		leak = look(scene, now_ns);
		assert_int_equal(leak->verdict,
				 now_ns - START - SECOND <= LEAK_PAST_NS ? LEAK_SLOW : LEAK_LEAKS);
	}
	assert_text(leak, NULL, "leaks: 1 in CLOSE_WAIT, none closed in 10m00s");
}

static void test_limit_that_is_far(void **state)
{
	const struct procfs_process process = { .fds = 64, .fd_limit = 1073741816 };

	assert_text(grow(*state, 1), &process,
		    "leaks: 11 in CLOSE_WAIT, none closed in 10m00s, +1/min");
}

static void test_queue_and_orphans(void **state)
{
	struct tcpdwell_socket s = socket_of(5, START - OLDER), listener = socket_of(3, START);
	struct scene *scene = *state;
	const struct leak *leak;

	s.pid = 0;
	s.flags = TCPDWELL_SOCKET_QUEUED;
	listener.state = TCPDWELL_LISTEN;
	listener.queue_max = 16;
	add(scene, listener);
	add(scene, s);
	leak = look(scene, START);
	assert_int_equal(leak->verdict, LEAK_QUEUE);
	assert_int_equal(leak->pid, 10);
	assert_text(leak, NULL, "stuck accept queue: 1 in CLOSE_WAIT wait for accept(), limit 16");

	sockets_clear(scene->sockets);
	s.flags = 0;
	s.owner = TCPDWELL_OWNER_NONE;
	add(scene, s);
	leak = look(scene, START + SECOND);
	assert_int_equal(leak->verdict, LEAK_ORPHANED);
	assert_int_equal(leak->pid, 0);
}

/* A socket with a file has a process, though perhaps one that cannot be seen from here. */
static void test_process_that_cannot_be_seen(void **state)
{
	struct scene *scene = *state;
	struct tcpdwell_socket s = socket_of(5, START - OLDER);
	const struct leak *leak;

	s.pid = s.owner_pid = s.owner = 0;
	s.flags = TCPDWELL_SOCKET_HELD;
	add(scene, s);
	leak = look(scene, START);
	assert_non_null(leak);
	assert_int_equal(leak->verdict, LEAK_LEAKS);
	assert_int_equal(leak->pid, 0);
	assert_text(leak, NULL, "leaks: 1 in CLOSE_WAIT for 60.0s or longer");
	/* Beside it is a socket without a process: each is reported by itself. */
	s.key++;
	s.flags = 0;
	add(scene, s);
	look(scene, START);
	assert_int_equal(leaks_count(scene->leaks), 2);
}

/* What is in flight is reported with the process that can receive it, which holds none of it. */
static void test_in_flight(void **state)
{
	struct scene *scene = *state;
	struct tcpdwell_socket s = socket_of(5, START - OLDER);

	s.pid = s.owner = 0;
	s.owner_pid = 12;
	s.flags = TCPDWELL_SOCKET_HELD | TCPDWELL_SOCKET_IN_FLIGHT;
	add(scene, s);
	s.key++;
	add(scene, s);
	s.key++;
	s.owner_pid = 13;
	add(scene, s);
	s.key++;
	s.flags = TCPDWELL_SOCKET_HELD;
	add(scene, s);
	look(scene, START);
	assert_int_equal(leaks_count(scene->leaks), 3);
	assert_int_equal(leaks_at(scene->leaks, 0)->count, 2);
	assert_int_equal(leaks_at(scene->leaks, 0)->receiver, 12);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(leaks_at(scene->leaks, i)->pid, 0);
}

/*
 * The report has the port of the service, not that of each client. The service is at this end, or
 * at the other, or it cannot be told.
 */
static void test_ports_of_services(void **state)
{
	struct scene *scene = *state;
	struct tcpdwell_socket s = socket_of(5, START - OLDER);
	const struct leak *leak;

	s.owner = TCPDWELL_OWNER_SCAN;
	for (int i = 0; i < 3; i++) {
		s.key++;
		s.lport = 40000 + i;
		s.rport = 443;
		add(scene, s);
	}
	s.key++;
	s.lport = 80;
	s.rport = 40000;
	add(scene, s);
	s.key++;
	s.lport = 40009;
	add(scene, s);
	leak = look(scene, START);
	assert_int_equal(leak->lport_count, 5);
	assert_int_equal(leak->port_count, 3);
	assert_int_equal(leak->ports[0].port, 443);
	assert_int_equal(leak->ports[0].side, SERVICE_REMOTE);
	assert_int_equal(leak->ports[0].count, 3);
	for (size_t i = 1; i < 3; i++) {
		bool local = leak->ports[i].side == SERVICE_LOCAL;

		assert_int_equal(leak->ports[i].port, local ? 80 : 0);
		assert_int_equal(leak->ports[i].count, 1);
	}
	assert_int_not_equal(leak->ports[1].side, leak->ports[2].side);
	/* The socket is refused: its other end cannot be seen any more. */
	sockets_clear(scene->sockets);
	s.rport = 0;
	add(scene, s);
	assert_int_equal(look(scene, START)->ports[0].side, SERVICE_UNKNOWN);
}

/* A socket whose age is unknown may be of any age. */
static void test_age_that_is_not_known(void **state)
{
	struct scene *scene = *state;
	struct tcpdwell_socket s = socket_of(5, START - OLDER);

	s.since = TCPDWELL_DWELL_UNKNOWN;
	add(scene, s);
	assert_int_equal(look(scene, START)->perhaps, 1);
	assert_int_equal(leaks_younger(scene->leaks), 0);
	assert_text(leaks_at(scene->leaks, 0), NULL,
		    "perhaps leaks: 1 in CLOSE_WAIT for a time that is not known");
	assert_true(leaks_found(scene->leaks));
}

static void test_idle(void **state)
{
	struct tcpdwell_socket s = socket_of(5, START - 1000 * SECOND);
	struct leaks *idle = leaks_new(1U << TCPDWELL_ESTABLISHED, OLDER);
	struct scene *scene = *state;

	s.state = TCPDWELL_ESTABLISHED;
	s.active_ns = s.active_earliest_ns = START - SECOND;
	add(scene, s);
	assert_int_equal(leaks_look(idle, scene->sockets, &no_filters, START), 0);
	assert_int_equal(leaks_count(idle), 0);
	assert_int_equal(leaks_look(idle, scene->sockets, &no_filters, START + OLDER), 0);
	assert_int_equal(leaks_count(idle), 1);
	assert_int_equal(leaks_at(idle, 0)->verdict, LEAK_IDLE);
	assert_text(leaks_at(idle, 0), NULL, "idle: 1 in ESTABLISHED, idle for 60.0s or longer");
	assert_false(leaks_found(idle)); /* a long life is no fault */
	leaks_free(idle);
}

/* The peer has closed its side long ago, and the process goes on sending. */
static void test_half_closed_at_work(void **state)
{
	struct tcpdwell_socket s = socket_of(5, START - 500 * SECOND);
	struct scene *scene = *state;

	s.active_ns = s.active_earliest_ns = START - SECOND;
	add(scene, s);
	assert_int_equal(look(scene, START)->verdict, LEAK_AT_WORK);
	assert_text(leaks_at(scene->leaks, 0), NULL,
		    "at work: 1 in CLOSE_WAIT for 60.0s or longer, and data goes on");
	assert_false(leaks_found(scene->leaks));
	assert_int_equal(look(scene, START + OLDER)->verdict, LEAK_LEAKS);
	assert_true(leaks_found(scene->leaks));
	s.active_earliest_ns = 0; /* perhaps no data was sent */
	sockets_clear(scene->sockets);
	add(scene, s);
	assert_int_equal(look(scene, START)->verdict, LEAK_LEAKS);
}

/* An age with only one bound is in neither of the other classes, and then all may not be well. */
static void test_three_classes(void **state)
{
	struct tcpdwell_socket s = socket_of(5, START - SECOND);
	struct scene *scene = *state;
	const struct leak *leak;

	s.since = TCPDWELL_DWELL_AT_LEAST;
	s.since_earliest_ns = START - 80 * SECOND;
	add(scene, s);
	leak = look(scene, START);
	assert_non_null(leak);
	assert_int_equal(leak->count, 0);
	assert_int_equal(leak->perhaps, 1);
	assert_int_equal(leak->ages.oldest.least_ns, SECOND);
	assert_int_equal(leak->ages.oldest.most_ns, 80 * SECOND);
	assert_text(leak, NULL, "perhaps leaks: 1 in CLOSE_WAIT for 1.00s to 80.0s");
	assert_true(leaks_found(scene->leaks));

	s = socket_of(6, START - SECOND);
	s.since = TCPDWELL_DWELL_UNKNOWN;
	add(scene, s);
	add(scene, socket_of(7, START - OLDER));
	add(scene, socket_of(8, START - SECOND));
	leak = look(scene, START);
	assert_int_equal(leak->count, 1);
	assert_int_equal(leak->perhaps, 2);
	assert_int_equal(leak->younger, 1);
	assert_int_equal(leak->range_count, 1); /* only of the certain ones */
}

/* A leak that a later look finds again is the same, however much older it is. */
static void test_same(void **state)
{
	struct scene *scene = *state;

	add(scene, socket_of(5, START - OLDER));
	look(scene, START);
	assert_false(leaks_same(scene->leaks));
	look(scene, START + 10 * SECOND);
	assert_true(leaks_same(scene->leaks));
	add(scene, socket_of(6, START - OLDER));
	look(scene, START + 20 * SECOND);
	assert_false(leaks_same(scene->leaks));
}

static void test_full_queue(void **state)
{
	struct tcpdwell_socket listener = socket_of(3, START);
	struct scene *scene = *state;

	listener.state = TCPDWELL_LISTEN;
	listener.since = TCPDWELL_DWELL_UNKNOWN;
	listener.queue_max = listener.queued = 16;
	add(scene, listener);
	look(scene, START);
	assert_false(leaks_found(scene->leaks));
	sockets_clear(scene->sockets);
	listener.queued = 17;
	add(scene, listener);
	assert_null(look(scene, START + SECOND));
	assert_true(leaks_found(scene->leaks));
	assert_int_equal(leaks_full_count(scene->leaks), 1);
}

/* Any number of processes come and go: memory stays bounded. */
static void test_many_processes(void **state)
{
	struct scene *scene = *state;

	for (uint32_t pid = 1; pid < 3 * LEAK_TRACKS; pid++) {
		struct tcpdwell_socket s = socket_of(5, START - OLDER);

		s.pid = s.owner_pid = pid;
		s.key = pid;
		add(scene, s);
	}
	for (uint32_t i = 0; i < 3; i++)
		look(scene, START + i * SECOND);
	assert_int_equal(leaks_count(scene->leaks), 3 * LEAK_TRACKS - 1);
	sockets_clear(scene->sockets);
	assert_null(look(scene, START + 2 * LEAK_PAST_NS));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, make, unmake),
		cmocka_unit_test_setup_teardown(test_first_look, make, unmake),
		cmocka_unit_test_setup_teardown(test_growth_and_limit, make, unmake),
		cmocka_unit_test_setup_teardown(test_two_looks_at_once, make, unmake),
		cmocka_unit_test_setup_teardown(test_slow, make, unmake),
		cmocka_unit_test_setup_teardown(test_leaks_beside_quick_closes, make, unmake),
		cmocka_unit_test_setup_teardown(test_leaks_after_a_late_close, make, unmake),
		cmocka_unit_test_setup_teardown(test_limit_that_is_far, make, unmake),
		cmocka_unit_test_setup_teardown(test_queue_and_orphans, make, unmake),
		cmocka_unit_test_setup_teardown(test_process_that_cannot_be_seen, make, unmake),
		cmocka_unit_test_setup_teardown(test_ports_of_services, make, unmake),
		cmocka_unit_test_setup_teardown(test_in_flight, make, unmake),
		cmocka_unit_test_setup_teardown(test_age_that_is_not_known, make, unmake),
		cmocka_unit_test_setup_teardown(test_idle, make, unmake),
		cmocka_unit_test_setup_teardown(test_half_closed_at_work, make, unmake),
		cmocka_unit_test_setup_teardown(test_three_classes, make, unmake),
		cmocka_unit_test_setup_teardown(test_same, make, unmake),
		cmocka_unit_test_setup_teardown(test_full_queue, make, unmake),
		cmocka_unit_test_setup_teardown(test_many_processes, make, unmake),
	};

	return cmocka_run_group_tests_name("leaks", tests, NULL, NULL);
}
