// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Records of a snapshot put together, and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "model/census.h"
#include "model/sockets.h"

#define SECOND 1000000000ULL
#define NOW    (100 * SECOND)

static const struct filters no_filters;

/*
 * Returns a record of socket @key, in @state for @age_s, on port @lport, as descriptor @fd of @pid
 * yields it.
 */
static struct tcpdwell_socket record(uint64_t key, uint8_t state, unsigned int age_s,
				     uint16_t lport, uint32_t pid, uint32_t fd)
{
	struct tcpdwell_socket r = {
		.kind = TCPDWELL_SOCKET,
		.size = sizeof(r),
		.key = key,
		.state = state,
		.family = 4,
		.since = TCPDWELL_DWELL_AT_LEAST,
		.since_ns = NOW - age_s * SECOND,
		.lport = lport,
		.rport = state == TCPDWELL_LISTEN ? 0 : 40000 + key,
		.pid = pid,
		.fd = fd,
		.owner = pid ? TCPDWELL_OWNER_SCAN : TCPDWELL_OWNER_NONE,
		.owner_pid = pid,
		.comm = "server",
	};

	return r;
}

static void add(struct sockets *sockets, struct tcpdwell_socket r)
{
	assert_int_equal(sockets_add(sockets, &r), 0);
}

static void test_records_of_one_socket(void **state)
{
	struct tcpdwell_socket other = record(7, TCPDWELL_ESTABLISHED, 5, 80, 11, 3);
	struct sockets *sockets = sockets_new();
	const struct socket_seen *seen;

	(void)state;
	other.owner_pid = 10;
	add(sockets, record(7, TCPDWELL_ESTABLISHED, 5, 80, 10, 9));
	add(sockets, record(7, TCPDWELL_ESTABLISHED, 5, 80, 10, 4));
	add(sockets, other);
	add(sockets, record(7, TCPDWELL_CLOSE_WAIT, 1, 80, 0, 0));
	assert_int_equal(sockets_count(sockets), 1);
	seen = sockets_at(sockets, 0);
	assert_int_equal(seen->holders, 2);
	assert_int_equal(seen->info.pid, 10);
	assert_int_equal(seen->info.fd, 4);
	assert_int_equal(seen->info.state, TCPDWELL_CLOSE_WAIT); /* the later look */
	sockets_free(sockets);
}

/* Threads with tables of their own have a socket by the same number: that is one descriptor. */
static void test_tables_of_one_process(void **state)
{
	struct sockets *sockets = sockets_new();
	const struct socket_holder *holder;

	(void)state;
	add(sockets, record(7, TCPDWELL_LISTEN, 5, 80, 10, 9));
	add(sockets, record(7, TCPDWELL_LISTEN, 5, 80, 10, 4));
	add(sockets, record(7, TCPDWELL_LISTEN, 5, 80, 10, 9));
	add(sockets, record(7, TCPDWELL_LISTEN, 5, 80, 11, 9));
	assert_int_equal(sockets_at(sockets, 0)->holders, 2);
	holder = sockets_first_holder(sockets, sockets_at(sockets, 0));
	for (int i = 0; i < 3; i++) {
		assert_non_null(holder);
		holder = sockets_next_holder(sockets, holder);
	}
	assert_null(holder);
	sockets_free(sockets);
}

/* The owner that the kernel side knows counts, if it still holds the socket. */
static void test_owner_among_holders(void **state)
{
	struct tcpdwell_socket first = record(7, TCPDWELL_ESTABLISHED, 5, 80, 10, 3),
			       second = first;
	struct sockets *sockets = sockets_new();

	(void)state;
	second.pid = 11;
	first.owner_pid = second.owner_pid = 11;
	add(sockets, first);
	assert_int_equal(sockets_at(sockets, 0)->info.pid, 10);
	add(sockets, second);
	assert_int_equal(sockets_at(sockets, 0)->info.pid, 11);
	sockets_free(sockets);
}

static void test_accept_queue(void **state)
{
	struct tcpdwell_socket r = record(7, TCPDWELL_ESTABLISHED, 5, 80, 0, 0);
	struct sockets *sockets = sockets_new();

	(void)state;
	r.flags = TCPDWELL_SOCKET_QUEUED;
	r.owner = TCPDWELL_OWNER_LISTEN;
	r.owner_pid = 12;
	add(sockets, r);
	assert_int_equal(sockets_at(sockets, 0)->info.pid, 12);
	assert_int_equal(sockets_at(sockets, 0)->holders, 0);
	assert_null(sockets_first_holder(sockets, sockets_at(sockets, 0)));
	sockets_free(sockets);
}

/* A process that alone can receive what is in flight is no holder; beside a holder it is left out.
 * */
static void test_in_flight(void **state)
{
	struct tcpdwell_socket r = record(7, TCPDWELL_CLOSE_WAIT, 5, 80, 0, 0);
	struct sockets *sockets = sockets_new();
	const struct socket_seen *seen;

	(void)state;
	r.flags = TCPDWELL_SOCKET_HELD | TCPDWELL_SOCKET_IN_FLIGHT;
	r.owner_pid = 12;
	add(sockets, r);
	add(sockets, r);
	seen = sockets_at(sockets, 0);
	assert_int_equal(seen->info.pid, 0);
	assert_string_equal(seen->info.comm, "");
	assert_int_equal(seen->holders, 0);
	assert_null(sockets_first_holder(sockets, seen));
	assert_int_equal(sockets_receiver(sockets, seen)->pid, 12);
	assert_string_equal(sockets_receiver(sockets, seen)->comm, "server");
	add(sockets, record(7, TCPDWELL_CLOSE_WAIT, 5, 80, 10, 9));
	seen = sockets_at(sockets, 0);
	assert_int_equal(seen->info.pid, 10);
	assert_null(sockets_receiver(sockets, seen));
	add(sockets, record(8, TCPDWELL_CLOSE_WAIT, 5, 80, 0, 0));
	assert_null(sockets_receiver(sockets, sockets_at(sockets, 1)));
	sockets_free(sockets);
}

/* A process holds a socket once, by a fixed file or by a descriptor. */
static void test_fixed_file(void **state)
{
	struct tcpdwell_socket r = record(7, TCPDWELL_CLOSE_WAIT, 5, 80, 10, TCPDWELL_NO_FD);
	struct sockets *sockets = sockets_new();
	const struct socket_holder *holder;

	(void)state;
	add(sockets, r);
	r.key++;
	add(sockets, record(8, TCPDWELL_CLOSE_WAIT, 5, 80, 10, 9));
	add(sockets, r);
	r.pid++;
	add(sockets, r);
	assert_int_equal(sockets_at(sockets, 0)->info.pid, 10);
	assert_int_equal(sockets_at(sockets, 0)->info.fd, TCPDWELL_NO_FD);
	assert_int_equal(sockets_at(sockets, 1)->info.fd, 9);
	assert_int_equal(sockets_at(sockets, 1)->holders, 2);
	holder = sockets_first_holder(sockets, sockets_at(sockets, 1));
	assert_int_equal(holder->pid, 11);
	assert_int_equal(holder->fd, TCPDWELL_NO_FD);
	holder = sockets_next_holder(sockets, holder);
	assert_int_equal(holder->fd, 9);
	assert_null(sockets_next_holder(sockets, holder));
	sockets_free(sockets);
}

static void test_many(void **state)
{
	struct sockets *sockets = sockets_new();

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint64_t key = 1; key <= 5000; key++) {
			add(sockets, record(key << 40, TCPDWELL_ESTABLISHED, 1, 80, 10, key));
			add(sockets, record(key << 40, TCPDWELL_ESTABLISHED, 1, 80, 0, 0));
		}
		assert_int_equal(sockets_count(sockets), 5000);
		sockets_clear(sockets);
		assert_int_equal(sockets_count(sockets), 0);
	}
	sockets_free(sockets);
	sockets_free(NULL);
}

static void test_filters(void **state)
{
	struct sockets *sockets = sockets_new();
	struct filters pid = { .pids = { .count = 1, .ids = { 11 } } };
	struct filters comm = { .comm = "server" }, other = { .comm = "serve" };
	struct filters states = { .either = 1U << TCPDWELL_CLOSE };
	const struct socket_seen *seen;

	(void)state;
	add(sockets, record(7, TCPDWELL_ESTABLISHED, 5, 80, 10, 3));
	add(sockets, record(8, TCPDWELL_CLOSE, 5, 80, 10, 4));
	seen = sockets_at(sockets, 0);
	assert_true(sockets_wanted(sockets, seen, &no_filters));
	assert_false(sockets_wanted(sockets, seen, &pid));
	assert_true(sockets_wanted(sockets, seen, &comm));
	assert_false(sockets_wanted(sockets, seen, &other));
	assert_false(sockets_wanted(sockets, seen, &states));
	assert_false(sockets_wanted(sockets, sockets_at(sockets, 1), &no_filters));
	assert_true(sockets_wanted(sockets, sockets_at(sockets, 1), &states));
	add(sockets, record(7, TCPDWELL_ESTABLISHED, 5, 80, 11, 3));
	assert_true(sockets_wanted(sockets, sockets_at(sockets, 0), &pid)); /* any holder counts */
	sockets_free(sockets);
}

static void test_census(void **state)
{
	struct sockets *sockets = sockets_new();
	struct census *census;

	(void)state;
	add(sockets, record(1, TCPDWELL_LISTEN, 0, 80, 10, 3));
	for (uint64_t key = 2; key <= 6; key++)
		add(sockets, record(key, TCPDWELL_CLOSE_WAIT, key, 80, 10, key));
	add(sockets, record(7, TCPDWELL_ESTABLISHED, 9, 41000, 11, 3));
	census = census_new(sockets, NULL, &no_filters, 0, NOW);
	assert_non_null(census);
	assert_int_equal(census->total, 7);
	assert_int_equal(census->states.count, 3);
	assert_int_equal(census->states.groups[0].one->info.state, TCPDWELL_LISTEN);
	assert_int_equal(census->states.groups[1].one->info.state, TCPDWELL_ESTABLISHED);
	assert_int_equal(census->states.groups[2].count, 5);
	assert_int_equal(census->states.groups[2].ages.oldest.least_ns, 6 * SECOND);
	assert_int_equal(census->states.groups[2].ages.median.least_ns, 4 * SECOND);
	assert_true(census->states.groups[2].ages.oldest.most_ns == AGE_UNBOUNDED);
	assert_int_equal(census->processes.groups[0].count, 5);
	assert_int_equal(census->processes.groups[0].one->info.pid, 10);
	assert_int_equal(census->ports.groups[0].port, 80);
	assert_int_equal(census->ports.groups[0].side, SERVICE_LOCAL);
	assert_int_equal(census->listener_count, 1);
	census_free(census);

	census = census_new(sockets, NULL, &no_filters, 5 * SECOND, NOW);
	assert_int_equal(census->total, 3);
	assert_int_equal(census->perhaps, 4); /* no upper bound says that they are young */
	census_free(census);
	sockets_free(sockets);
}

/* One port in two namespaces is two services. */
static void test_ports_of_two_namespaces(void **state)
{
	struct tcpdwell_socket other = record(2, TCPDWELL_LISTEN, 0, 80, 11, 3);
	struct sockets *sockets = sockets_new();
	struct census *census;

	(void)state;
	other.netns = 7;
	other.queued = 2;
	other.queue_max = 1;
	add(sockets, record(1, TCPDWELL_LISTEN, 0, 80, 10, 3));
	add(sockets, other);
	census = census_new(sockets, NULL, &no_filters, 0, NOW);
	assert_int_equal(census->ports.count, 2);
	assert_int_equal(census->listeners[0]->info.netns, 7); /* a full queue comes first */
	census_free(census);
	sockets_free(sockets);
}

/* There is a group for each service whose end is known, and one for all other sockets. */
static void test_census_of_ports(void **state)
{
	struct sockets *sockets = sockets_new();
	struct ranges *ranges = ranges_new();
	struct tcpdwell_socket r;
	struct census *census;

	(void)state;
	assert_int_equal(ranges_add(ranges, 9, (struct service_range){ 1024, 2000 }), 0);
	/* The server is gone: the other port is the client's. */
	for (uint64_t key = 1; key <= 5; key++)
		add(sockets, record(key, TCPDWELL_TIME_WAIT, key, 8080, 0, 0));
	/* The owner shows that this is a client, even if its port is outside the range. */
	for (uint64_t key = 10; key <= 13; key++) {
		r = record(key, TCPDWELL_TIME_WAIT, key, 20000 + key, 0, 0);
		r.owner = TCPDWELL_OWNER_CONNECT;
		r.rport = 443;
		add(sockets, r);
	}
	/* The range is another namespace's, and the listener is not theirs. */
	for (uint64_t key = 20; key <= 22; key++) {
		r = record(key, TCPDWELL_ESTABLISHED, key, 1024 + key, 0, 0);
		r.netns = 9;
		r.rport = 50000;
		add(sockets, r);
	}
	r = record(30, TCPDWELL_LISTEN, 0, 1044, 10, 3);
	add(sockets, r);
	/* Both ports are in the range. */
	for (uint64_t key = 40; key <= 41; key++)
		add(sockets, record(key, TCPDWELL_FIN_WAIT2, key, 50000 + key, 0, 0));
	census = census_new(sockets, ranges, &no_filters, 0, NOW);
	assert_non_null(census);
	assert_int_equal(census->ports.count, 5);
	assert_int_equal(census->ports.groups[0].port, 8080);
	assert_int_equal(census->ports.groups[0].side, SERVICE_LOCAL);
	assert_int_equal(census->ports.groups[0].count, 5);
	assert_int_equal(census->ports.groups[1].port, 443);
	assert_int_equal(census->ports.groups[1].side, SERVICE_REMOTE);
	assert_int_equal(census->ports.groups[1].count, 4);
	assert_int_equal(census->ports.groups[2].port, 50000);
	assert_int_equal(census->ports.groups[2].side, SERVICE_REMOTE);
	assert_int_equal(census->ports.groups[2].count, 3);
	assert_int_equal(census->ports.groups[3].port, 0);
	assert_int_equal(census->ports.groups[3].side, SERVICE_UNKNOWN);
	assert_int_equal(census->ports.groups[3].count, 2);
	census_free(census);
	ranges_free(ranges);
	sockets_free(sockets);
}

static void test_census_of_nothing(void **state)
{
	struct sockets *sockets = sockets_new();
	struct census *census = census_new(sockets, NULL, &no_filters, 0, NOW);

	(void)state;
	assert_non_null(census);
	assert_int_equal(census->total, 0);
	assert_int_equal(census->states.count, 0);
	census_free(census);
	census_free(NULL);
	sockets_free(sockets);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_of_one_socket),
		cmocka_unit_test(test_tables_of_one_process),
		cmocka_unit_test(test_owner_among_holders),
		cmocka_unit_test(test_accept_queue),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_fixed_file),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_census),
		cmocka_unit_test(test_ports_of_two_namespaces),
		cmocka_unit_test(test_census_of_ports),
		cmocka_unit_test(test_census_of_nothing),
	};

	return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
