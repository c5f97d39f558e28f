// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the numbers of a socket tell about the bytes that its programs wrote and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/life.h"

#define MS 1000000ULL

static void visit(struct tcpdwell_connection *c, unsigned int state, uint8_t dwell, uint64_t ns)
{
	c->life.visited |= 1U << state;
	c->life.worth &= ~(3U << tcpdwell_life_worth_at(state));
	c->life.worth |= (uint32_t)dwell << tcpdwell_life_worth_at(state);
	c->life.dwell_ns[tcpdwell_life_index(state)] = ns;
}

/* Returns a client that wrote 10 bytes, read 5, closed first and is now in TIME_WAIT. */
static struct tcpdwell_connection client(void)
{
	struct tcpdwell_connection c = {
		.state = TCPDWELL_TIME_WAIT,
		.family = 4,
		.reason = TCPDWELL_REASON_FIN,
		.ended_ns = 110 * MS,
		.owner = TCPDWELL_OWNER_CONNECT,
		.life = {
			.opened_ns = 10 * MS,
			.opened = TCPDWELL_DWELL_EXACT,
			.numbers = {
				.bytes_sent = 10,
				.bytes_acked = 12,   /* with SYN and FIN */
				.bytes_received = 6, /* with FIN */
				.segments_sent = 1,
				.segments_received = 1,
				.srtt_us = 80,
				.rtt_min_us = 7,
				.flags = TCPDWELL_NUMBERS_READ | TCPDWELL_NUMBERS_PEER_DONE,
				.state = TCPDWELL_FIN_WAIT2,
			},
		},
	};

	visit(&c, TCPDWELL_SYN_SENT, TCPDWELL_DWELL_EXACT, 20 * MS);
	visit(&c, TCPDWELL_ESTABLISHED, TCPDWELL_DWELL_EXACT, 60 * MS);
	visit(&c, TCPDWELL_FIN_WAIT1, TCPDWELL_DWELL_EXACT, 10 * MS);
	visit(&c, TCPDWELL_FIN_WAIT2, TCPDWELL_DWELL_EXACT, 10 * MS);
	return c;
}

/* Returns the client's server, which closed second. */
static struct tcpdwell_connection server(void)
{
	struct tcpdwell_connection c = client();

	c.state = TCPDWELL_CLOSE;
	c.owner = TCPDWELL_OWNER_ACCEPT;
	c.life.visited = 0;
	visit(&c, TCPDWELL_SYN_RECV, TCPDWELL_DWELL_EXACT, 20 * MS);
	visit(&c, TCPDWELL_ESTABLISHED, TCPDWELL_DWELL_EXACT, 60 * MS);
	visit(&c, TCPDWELL_CLOSE_WAIT, TCPDWELL_DWELL_EXACT, 10 * MS);
	visit(&c, TCPDWELL_LAST_ACK, TCPDWELL_DWELL_EXACT, 10 * MS);
	c.life.accepted_ns = 37 * MS;
	c.life.numbers.bytes_sent = 5;
	c.life.numbers.bytes_acked = 6;	    /* with FIN */
	c.life.numbers.bytes_received = 11; /* with FIN */
	c.life.numbers.state = TCPDWELL_LAST_ACK;
	return c;
}

static void assert_bytes(const struct tcpdwell_connection *c, uint64_t sent, uint64_t acked,
			 uint64_t received)
{
	struct life life;

	life_read(&life, c);
	assert_true(life.counted);
	assert_int_equal(life.sent, sent);
	assert_int_equal(life.acked, acked);
	assert_int_equal(life.received, received);
}

static void test_neither_syn_nor_fin_is_a_byte(void **state)
{
	struct tcpdwell_connection c = client(), s = server();
	struct life life;

	(void)state;
	assert_bytes(&c, 10, 10, 5);
	assert_bytes(&s, 5, 5, 10);
	life_read(&life, &c);
	assert_int_equal(life.side, LIFE_CLIENT);
	assert_int_equal(life.handshake_ns, 20 * MS);
	assert_int_equal(life.opening, TCPDWELL_DWELL_EXACT);
	assert_int_equal(life.life_ns, 100 * MS);
	assert_int_equal(life.worth, TCPDWELL_DWELL_EXACT);
	assert_int_equal(life.waiting, TCPDWELL_DWELL_UNKNOWN);
	assert_int_equal(life.srtt_us, 10);
	life_read(&life, &s);
	assert_int_equal(life.side, LIFE_SERVER);
	assert_int_equal(life.accept_ns, 7 * MS);
	assert_int_equal(life.waiting, TCPDWELL_DWELL_EXACT);
}

/* Data waits to be acknowledged, and our FIN behind it. */
static void test_what_was_not_acknowledged(void **state)
{
	struct tcpdwell_connection c = client();
	struct tcpdwell_numbers *n = &c.life.numbers;
	struct life life;

	(void)state;
	n->state = TCPDWELL_FIN_WAIT1;
	n->bytes_acked = 5;	       /* with SYN */
	n->unacked = n->in_flight = 7; /* with FIN */
	n->bytes_sent = 10;
	life_read(&life, &c);
	assert_int_equal(life.acked, 4);
	assert_int_equal(life.sent, 10);
	assert_int_equal(life.unacked, 6);
	n->in_flight = 2; /* the rest was never sent */
	life_read(&life, &c);
	assert_int_equal(life.sent, 6);
	assert_int_equal(life.unacked, 6);
	n->state = TCPDWELL_ESTABLISHED;
	life_read(&life, &c);
	assert_int_equal(life.unacked, 7);
}

static void test_what_was_not_read(void **state)
{
	struct tcpdwell_connection c = client();
	struct life life;

	(void)state;
	c.life.numbers.unread = 6;
	life_read(&life, &c);
	assert_int_equal(life.unread, 5);
	assert_true(life.read);
	c.life.numbers.flags |= TCPDWELL_NUMBERS_QUEUED; /* it can still be read */
	life_read(&life, &c);
	assert_false(life.read);
	c.reason = TCPDWELL_REASON_RESET_SENT;
	life_read(&life, &c);
	assert_true(life.read);
	c.life.numbers.flags &= ~TCPDWELL_NUMBERS_PEER_DONE;
	life_read(&life, &c);
	assert_int_equal(life.received, 6);
	assert_int_equal(life.unread, 6);
}

/* For a connection older than the tracer, the bytes sent tell whether its SYN is counted. */
static void test_a_connection_that_was_there_before(void **state)
{
	struct tcpdwell_connection c = client(), s = server();
	struct life life;

	(void)state;
	for (int again = 0; again <= 1; again++) {
		c.owner = s.owner = TCPDWELL_OWNER_SCAN;
		c.life.visited = 1U << TCPDWELL_ESTABLISHED;
		s.life.visited = 1U << TCPDWELL_ESTABLISHED;
		c.life.opened = s.life.opened = TCPDWELL_DWELL_AT_LEAST;
		assert_bytes(&c, 10, 10, 5);
		assert_bytes(&s, 5, 5, 10);
		life_read(&life, &c);
		assert_int_equal(life.side, LIFE_CLIENT);
		assert_int_equal(life.worth, TCPDWELL_DWELL_AT_LEAST);
		assert_int_equal(life.opening, TCPDWELL_DWELL_UNKNOWN);
		life_read(&life, &s);
		assert_int_equal(life.side, LIFE_SERVER);
		c.life.numbers.bytes_sent += 10; /* all of it was sent again */
		c.life.numbers.bytes_retrans += 10;
	}
	c.life.numbers.bytes_sent += 3; /* and some of it never left this host */
	life_read(&life, &c);
	assert_false(life.counted);
}

static void test_what_never_opened(void **state)
{
	struct tcpdwell_connection c = client();
	struct tcpdwell_numbers *n = &c.life.numbers;
	struct life life;

	(void)state;
	c.life.visited = 0;
	visit(&c, TCPDWELL_SYN_SENT, TCPDWELL_DWELL_EXACT, 20 * MS);
	c.state = TCPDWELL_CLOSE;
	*n = (struct tcpdwell_numbers){ .unacked = 1,
					.in_flight = 1,
					.flags = TCPDWELL_NUMBERS_READ,
					.rtt_min_us = UINT32_MAX,
					.state = TCPDWELL_SYN_SENT };
	assert_bytes(&c, 0, 0, 0);
	life_read(&life, &c);
	assert_int_equal(life.opening, TCPDWELL_DWELL_UNKNOWN);
	assert_int_equal(life.rtt_min_us, 0);
	n->segments_sent = 1; /* data with the SYN */
	n->unacked = n->in_flight = 11;
	life_read(&life, &c);
	assert_int_equal(life.sent, 10);
	assert_int_equal(life.unacked, 10);
	*n = (struct tcpdwell_numbers){}; /* a request */
	c.life.visited = 0;
	visit(&c, TCPDWELL_SYN_RECV, TCPDWELL_DWELL_EXACT, 20 * MS);
	assert_bytes(&c, 0, 0, 0);
}

static bool wanted(const struct tcpdwell_connection *c, const struct life_filter *filter)
{
	struct life life;

	life_read(&life, c);
	return life_wanted(&life, filter);
}

static void test_filters(void **state)
{
	struct tcpdwell_connection c = client();
	struct life_filter f = {};

	(void)state;
	assert_true(wanted(&c, &f));
	f.min_life_ns = 100 * MS;
	assert_true(wanted(&c, &f));
	f.min_life_ns++;
	assert_false(wanted(&c, &f));
	f = (struct life_filter){ .min_bytes = 15 };
	assert_true(wanted(&c, &f));
	f.min_bytes = 16;
	assert_false(wanted(&c, &f));
	f = (struct life_filter){ .reasons = 1U << TCPDWELL_REASON_FIN };
	assert_true(wanted(&c, &f));
	f.reasons = 1U << TCPDWELL_REASON_TIMEOUT;
	assert_false(wanted(&c, &f));
	f = (struct life_filter){ .states = 1U << TCPDWELL_FIN_WAIT2 };
	assert_true(wanted(&c, &f));
	f.states = 1U << TCPDWELL_CLOSE_WAIT;
	assert_false(wanted(&c, &f));
	f = (struct life_filter){ .longer = 1U << TCPDWELL_ESTABLISHED };
	f.longer_ns[TCPDWELL_ESTABLISHED] = 60 * MS;
	assert_true(wanted(&c, &f));
	f.longer |= 1U << TCPDWELL_FIN_WAIT1;
	f.longer_ns[TCPDWELL_FIN_WAIT1] = 11 * MS;
	assert_false(wanted(&c, &f));
	f = (struct life_filter){ .no_open = true };
	assert_true(wanted(&c, &f));
	c.flags = TCPDWELL_CONNECTION_OPEN;
	assert_false(wanted(&c, &f));
}

/* States that one connection may go through have dwells of their own. */
static void test_dwells_have_room(void **state)
{
	static const uint8_t ways[][6] = {
		{ TCPDWELL_SYN_SENT, TCPDWELL_SYN_RECV, TCPDWELL_ESTABLISHED, TCPDWELL_FIN_WAIT1,
		  TCPDWELL_FIN_WAIT2, TCPDWELL_TIME_WAIT },
		{ TCPDWELL_SYN_SENT, TCPDWELL_SYN_RECV, TCPDWELL_ESTABLISHED, TCPDWELL_FIN_WAIT1,
		  TCPDWELL_CLOSING, TCPDWELL_TIME_WAIT },
		{ TCPDWELL_SYN_SENT, TCPDWELL_SYN_RECV, TCPDWELL_ESTABLISHED, TCPDWELL_CLOSE_WAIT,
		  TCPDWELL_LAST_ACK },
	};

	(void)state;
	for (unsigned int way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
		unsigned int taken = 0;

		for (unsigned int i = 0; i < sizeof(ways[0]) && ways[way][i]; i++) {
			uint32_t at = tcpdwell_life_index(ways[way][i]);

			assert_true(at < TCPDWELL_LIFE_DWELLS);
			assert_false(taken >> at & 1);
			taken |= 1U << at;
		}
	}
	assert_true(tcpdwell_life_index(TCPDWELL_CLOSE) >= TCPDWELL_LIFE_DWELLS);
	assert_true(tcpdwell_life_index(TCPDWELL_LISTEN) >= TCPDWELL_LIFE_DWELLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dwells_have_room),
		cmocka_unit_test(test_neither_syn_nor_fin_is_a_byte),
		cmocka_unit_test(test_what_was_not_acknowledged),
		cmocka_unit_test(test_what_was_not_read),
		cmocka_unit_test(test_a_connection_that_was_there_before),
		cmocka_unit_test(test_what_never_opened),
		cmocka_unit_test(test_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
