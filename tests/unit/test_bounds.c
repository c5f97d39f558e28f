// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What follows from the stamps of a socket is true, in stories with a known time of entry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounds.h"

#define SECOND 1000000000ULL
#define NOW    (1000 * SECOND)
#define GRAIN  (SECOND / 125)

/* The time this many seconds ago. */
#define AGO(seconds) (NOW - (seconds)*SECOND)

static struct bounds_facts facts(uint8_t state)
{
	return (struct bounds_facts){
		.now_ns = NOW,
		.grain_ns = GRAIN,
		.state = state,
		.segment_ns = AGO(1),
		.sent_ns = AGO(90),
		.received_ns = AGO(80),
		.acked_ns = AGO(2),
		.delivered_ns = AGO(70),
		.tail_ns = 0,
		.flags = BOUNDS_CONNECTED,
	};
}

static void assert_between(struct bounds b, uint64_t entered_ns)
{
	if (b.latest_ns)
		assert_true(b.latest_ns >= entered_ns && b.latest_ns <= NOW);
	if (b.earliest_ns)
		assert_true(b.earliest_ns <= entered_ns);
}

/* Probes are answered every second, so only the time of the last data is left. */
static void test_close_wait_with_probes(void **state)
{
	struct bounds_facts f = facts(TCPDWELL_CLOSE_WAIT);
	struct bounds b = bounds_state(&f);

	(void)state;
	assert_between(b, AGO(65));
	assert_int_equal(b.latest_ns, AGO(2) + BOUNDS_PROCESSING_NS);
	assert_int_equal(b.earliest_ns, AGO(80) - GRAIN);
}

/* The FIN is sent again and again; the flight began with it. */
static void test_fin_that_is_sent_again(void **state)
{
	static const uint8_t states[] = { TCPDWELL_FIN_WAIT1, TCPDWELL_LAST_ACK };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct bounds_facts f = facts(states[i]);
		struct bounds b;

		f.flags |= BOUNDS_IN_FLIGHT | BOUNDS_FIN_ALONE | BOUNDS_UNACKED;
		f.acked_ns = AGO(79);
		b = bounds_state(&f);
		assert_between(b, AGO(70));
		assert_int_equal(b.latest_ns, AGO(70) + BOUNDS_PROCESSING_NS);
		assert_int_equal(b.earliest_ns, AGO(70));
	}
}

/* Data and a FIN behind it are in flight since before the close: the newest segment is the FIN. */
static void test_fin_behind_data(void **state)
{
	struct bounds_facts f = facts(TCPDWELL_FIN_WAIT1);
	struct bounds b;

	(void)state;
	f.flags |= BOUNDS_IN_FLIGHT | BOUNDS_UNACKED;
	f.acked_ns = AGO(79);
	f.tail_ns = AGO(60);
	b = bounds_state(&f);
	assert_between(b, AGO(60));
	assert_int_equal(b.latest_ns, AGO(60) + BOUNDS_PROCESSING_NS);
	/* An ACK came since then: nothing tells when the process closed. */
	f.acked_ns = f.delivered_ns = AGO(50);
	assert_int_equal(bounds_state(&f).earliest_ns, 0);
}

static void test_fin_wait2(void **state)
{
	struct bounds_facts f = facts(TCPDWELL_FIN_WAIT2);
	struct bounds b = bounds_state(&f);

	(void)state;
	assert_int_equal(b.latest_ns, AGO(70) + BOUNDS_PROCESSING_NS);
	assert_int_equal(b.earliest_ns, AGO(70));
}

/* Retransmissions to a dead peer are no activity. */
static void test_idle_with_a_dead_peer(void **state)
{
	struct bounds_facts f = facts(TCPDWELL_ESTABLISHED);
	struct bounds b;

	(void)state;
	f.sent_ns = AGO(3);
	f.first_ns = AGO(60);
	f.flags |= BOUNDS_IN_FLIGHT | BOUNDS_RETRANSMITS | BOUNDS_RETRANSMITTED;
	b = bounds_active(&f);
	assert_int_equal(b.latest_ns, AGO(60) + BOUNDS_PROCESSING_NS);
	assert_int_equal(b.earliest_ns, AGO(80) - GRAIN);
	f = facts(TCPDWELL_ESTABLISHED);
	b = bounds_active(&f); /* probes move neither stamp of data */
	assert_int_equal(b.latest_ns, AGO(80) + BOUNDS_PROCESSING_NS);
}

/* A segment ended the first connection, an ICMP error may have ended the second, and none a third.
 * */
static void test_close(void **state)
{
	struct bounds_facts f = facts(TCPDWELL_CLOSE);

	(void)state;
	assert_int_equal(bounds_state(&f).latest_ns, AGO(1) + BOUNDS_PROCESSING_NS);
	f.flags |= BOUNDS_UNACKED;
	f.segment_ns = AGO(20);
	f.timer_ns = AGO(12);
	assert_int_equal(bounds_state(&f).latest_ns, AGO(11) + BOUNDS_PROCESSING_NS);
	assert_int_equal(bounds_state(&f).earliest_ns, AGO(20));
	f.flags = 0;
	assert_int_equal(bounds_state(&f).latest_ns, 0);
	f.segment_ns = 0;
	assert_int_equal(bounds_state(&f).earliest_ns, 0);
}

static void test_syn_sent(void **state)
{
	struct bounds_facts f = facts(TCPDWELL_SYN_SENT);

	(void)state;
	f.first_ns = AGO(30);
	assert_int_equal(bounds_state(&f).latest_ns, AGO(30) + BOUNDS_PROCESSING_NS);
	assert_int_equal(bounds_state(&f).earliest_ns, AGO(31));
	f.flags |= BOUNDS_FAST_OPEN; /* connect() may have sent no segment */
	assert_int_equal(bounds_state(&f).earliest_ns, 0);
}

/* What nothing tells is unknown, and no bound is in the future. */
static void test_unknown(void **state)
{
	struct bounds_facts f = facts(TCPDWELL_LISTEN);

	(void)state;
	assert_int_equal(bounds_state(&f).latest_ns, 0);
	assert_int_equal(bounds_state(&f).earliest_ns, 0);
	f.state = TCPDWELL_CLOSE_WAIT;
	f.segment_ns = f.acked_ns = f.received_ns = NOW + SECOND;
	assert_int_equal(bounds_state(&f).latest_ns, 0);
	assert_int_equal(bounds_state(&f).earliest_ns, 0);
}

/* A segment in TIME_WAIT arms the timer again, and leaves the other stamp as it is. */
static void test_timewait(void **state)
{
	struct bounds b = bounds_timewait(TCPDWELL_TIME_WAIT, NOW - SECOND, NOW - 9 * SECOND, NOW);

	(void)state;
	assert_int_equal(b.latest_ns, NOW - SECOND + BOUNDS_PROCESSING_NS);
	assert_int_equal(b.earliest_ns, NOW - 9 * SECOND);
	b = bounds_timewait(TCPDWELL_TIME_WAIT, 0, 0, NOW);
	assert_int_equal(b.latest_ns, 0);
	assert_int_equal(b.earliest_ns, 0);
	b = bounds_timewait(TCPDWELL_FIN_WAIT2, NOW - SECOND, NOW - 9 * SECOND, NOW);
	assert_in_range(b.latest_ns, NOW - 9 * SECOND, NOW - 9 * SECOND + 3 * BOUNDS_PROCESSING_NS);
	assert_int_equal(b.earliest_ns, 0);
	b = bounds_timewait(TCPDWELL_FIN_WAIT2, NOW - SECOND, 0, NOW);
	assert_int_equal(b.latest_ns, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_wait_with_probes),
		cmocka_unit_test(test_fin_that_is_sent_again),
		cmocka_unit_test(test_fin_behind_data),
		cmocka_unit_test(test_fin_wait2),
		cmocka_unit_test(test_idle_with_a_dead_peer),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_syn_sent),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_timewait),
	};

	return cmocka_run_group_tests_name("bounds", tests, NULL, NULL);
}
