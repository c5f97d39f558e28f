// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sockets one by one: their order, their queues, and when each ends by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "model/listing.h"
#include "model/timers.h"

#define MS  1000000ULL
#define S   1000000000ULL
#define NOW (1000 * S)

static const struct filters no_filters;

static struct tcpdwell_socket record(uint64_t key, uint8_t state, uint32_t pid, unsigned int age_s)
{
	return (struct tcpdwell_socket){
		.kind = TCPDWELL_SOCKET,
		.size = sizeof(struct tcpdwell_socket),
		.key = key,
		.state = state,
		.family = 4,
		.netns = 7,
		.since = TCPDWELL_DWELL_AT_LEAST,
		.since_ns = NOW - age_s * S,
		.pid = pid,
		.owner_pid = pid,
		.fd = 3,
		.comm = "server",
		.detail.known = TCPDWELL_KNOWN_TIMER | TCPDWELL_KNOWN_QUEUES |
				TCPDWELL_KNOWN_OPTIONS | TCPDWELL_KNOWN_KEEPALIVE |
				TCPDWELL_KNOWN_ORPHAN | TCPDWELL_KNOWN_SILENT,
	};
}

static struct netns_setting blue(void)
{
	struct netns_setting netns = { .inode = 7, .name = "blue" };

	for (unsigned int i = 0; i < FACT_SETTINGS; i++)
		netns.settings[i] = FACT_UNKNOWN;
	netns.settings[FACT_KEEPALIVE_TIME] = 600;
	netns.settings[FACT_KEEPALIVE_INTVL] = 10;
	netns.settings[FACT_KEEPALIVE_PROBES] = 3;
	netns.settings[FACT_FIN_TIMEOUT] = 30;
	return netns;
}

static void test_order(void **state)
{
	static const struct {
		uint64_t key;
		uint8_t state;
		uint32_t pid;
		unsigned int age_s;
	} told[] = {
		{ 1, TCPDWELL_TIME_WAIT, 0, 9 },    { 2, TCPDWELL_CLOSE_WAIT, 20, 5 },
		{ 3, TCPDWELL_LISTEN, 20, 1 },	    { 4, TCPDWELL_CLOSE_WAIT, 20, 50 },
		{ 5, TCPDWELL_ESTABLISHED, 10, 2 },
	};
	static const uint64_t wanted[] = { 5, 3, 4, 2, 1 };
	struct sockets *sockets = sockets_new();
	struct netns_settings netns = {};
	struct listing *listing;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct tcpdwell_socket r = record(told[i].key, told[i].state, told[i].pid,
						  told[i].age_s);

		assert_int_equal(sockets_add(sockets, &r), 0);
	}
	listing = listing_new(sockets, &netns, &no_filters, 0, NOW);
	assert_int_equal(listing->count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(listing->rows[i].socket->info.key, wanted[i]);
	listing_free(listing);
	listing = listing_new(sockets, &netns, &no_filters, 6 * S, NOW);
	assert_int_equal(listing->count, 2);
	assert_int_equal(listing->perhaps, 3); /* no upper bound */
	listing_free(listing);
	sockets_free(sockets);
}

static void test_queues(void **state)
{
	struct tcpdwell_socket info = record(1, TCPDWELL_ESTABLISHED, 10, 1);
	struct socket_seen seen = { .info = info };
	struct listing_row row = { .socket = &seen };
	uint32_t recv, send;

	(void)state;
	seen.info.detail.recv_bytes = 5;
	seen.info.detail.send_bytes = 6;
	assert_true(listing_queues(&row, &recv, &send));
	assert_int_equal(recv, 5);
	assert_int_equal(send, 6);
	seen.info.detail.known = 0;
	assert_false(listing_queues(&row, &recv, &send));
	seen.info.state = TCPDWELL_LISTEN;
	seen.info.queued = 1;
	seen.info.queue_max = 128;
	assert_true(listing_queues(&row, &recv, &send));
	assert_int_equal(recv, 1);
	assert_int_equal(send, 128);
}

static void test_sent_again(void **state)
{
	struct socket_seen seen = { .info = record(1, TCPDWELL_ESTABLISHED, 10, 1) };
	struct listing_row row = { .socket = &seen };

	(void)state;
	seen.info.detail.retransmits = 4;
	seen.info.detail.probes_out = 2;
	seen.info.detail.timer = TCPDWELL_TIMER_RETRANSMIT;
	assert_int_equal(listing_sent_again(&row), 4);
	seen.info.detail.timer = TCPDWELL_TIMER_KEEPALIVE;
	assert_int_equal(listing_sent_again(&row), 2);
	seen.info.detail.timer = TCPDWELL_TIMER_PROBE;
	assert_int_equal(listing_sent_again(&row), 2);
}

/* ---- Ends ---- */

static struct tcpdwell_socket kept_alive(void)
{
	struct tcpdwell_socket info = record(1, TCPDWELL_ESTABLISHED, 10, 1);

	info.detail.flags = TCPDWELL_DETAIL_KEEPALIVE;
	info.detail.timer = TCPDWELL_TIMER_KEEPALIVE;
	info.detail.expires_ns = 100 * S;
	info.detail.silent_ns = 500 * S;
	return info;
}

static void assert_ends(const struct tcpdwell_socket *info, uint64_t ns, enum deadline_by by)
{
	struct netns_setting netns = blue();
	struct deadline end = timers_deadline(info, netns.settings);

	assert_int_equal(end.by, by);
	assert_int_equal(end.ns, ns);
}

/* The socket's own options go before the namespace's. */
static void test_keepalive(void **state)
{
	struct tcpdwell_socket info = kept_alive();

	(void)state;
	assert_ends(&info, (100 + 3 * 10) * S, DEADLINE_BY_KEEPALIVE);
	info.detail.keepalive_intvl_s = 1;
	info.detail.keepalive_probes = 2;
	assert_ends(&info, (100 + 2) * S, DEADLINE_BY_KEEPALIVE);
	/* Something was heard since the timer was set: when it runs out it is set again. */
	info.detail.silent_ns = 50 * S;
	assert_ends(&info, (550 + 2) * S, DEADLINE_BY_KEEPALIVE);
	info.detail.keepalive_time_s = 60;
	assert_ends(&info, (100 + 2) * S, DEADLINE_BY_KEEPALIVE);
	info.detail.user_timeout_ms = 151500;
	assert_ends(&info, 102 * S, DEADLINE_BY_USER_TIMEOUT);
}

static void test_what_is_not_known(void **state)
{
	struct netns_setting netns = blue();
	struct tcpdwell_socket info = kept_alive();

	(void)state;
	info.detail.known &= ~TCPDWELL_KNOWN_OPTIONS;
	assert_int_equal(timers_deadline(&info, netns.settings).kind, DEADLINE_UNKNOWN);
	info.detail.timer = TCPDWELL_TIMER_NONE; /* no end depends on these */
	assert_int_equal(timers_deadline(&info, netns.settings).kind, DEADLINE_NEVER);
	info.state = TCPDWELL_TIME_WAIT;
	info.detail.timer = TCPDWELL_TIMER_TIMEWAIT;
	assert_ends(&info, 100 * S, DEADLINE_BY_TIMEWAIT);
	info.detail.known = 0;
	assert_int_equal(timers_deadline(&info, netns.settings).kind, DEADLINE_UNKNOWN);
	info.state = TCPDWELL_LISTEN;
	info.detail = (struct tcpdwell_detail){};
	assert_int_equal(timers_deadline(&info, netns.settings).kind, DEADLINE_NEVER);
}

/* A full socket is an orphan in FIN_WAIT2 with a TCP_LINGER2 of 90 s: it waits 30 s, and 30 s. */
static void test_fin_wait2(void **state)
{
	struct tcpdwell_socket info = record(1, TCPDWELL_FIN_WAIT2, 0, 1);

	(void)state;
	info.detail.flags = TCPDWELL_DETAIL_ORPHAN;
	info.detail.timer = TCPDWELL_TIMER_KEEPALIVE;
	info.detail.expires_ns = 30 * S;
	assert_ends(&info, 30 * S, DEADLINE_BY_FIN_TIMEOUT);
	info.detail.linger2_s = 90;
	assert_ends(&info, 60 * S, DEADLINE_BY_FIN_TIMEOUT);
}

/* If a namespace could not be entered, no setting is known; ends that need none are known. */
static void test_closed_namespace(void **state)
{
	struct tcpdwell_socket info = kept_alive(), idle = record(2, TCPDWELL_CLOSE_WAIT, 10, 1);
	struct sockets *sockets = sockets_new();
	struct netns_settings netns = {};
	struct netns_setting setting = blue();
	struct listing *listing;

	(void)state;
	assert_int_equal(sockets_add(sockets, &info), 0);
	assert_int_equal(sockets_add(sockets, &idle), 0);
	listing = listing_new(sockets, &netns, &no_filters, 0, NOW);
	assert_int_equal(listing->rows[0].end.kind, DEADLINE_UNKNOWN);
	assert_int_equal(listing->rows[1].end.kind, DEADLINE_NEVER);
	listing_free(listing);
	assert_int_equal(netns_settings_add(&netns, &setting), 0);
	listing = listing_new(sockets, &netns, &no_filters, 0, NOW);
	assert_int_equal(listing->rows[0].end.kind, DEADLINE_IF_SILENT);
	assert_string_equal(listing->rows[0].netns->name, "blue");
	listing_free(listing);
	netns_settings_free(&netns);
	sockets_free(sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_sent_again),
		cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_fin_wait2),
		cmocka_unit_test(test_closed_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
