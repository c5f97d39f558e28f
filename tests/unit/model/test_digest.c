// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A digest keeps a bounded number of sockets, and the findings from these are right.
 * test_findings.c checks that a digest of few sockets leads to the same findings as the sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "facts_story.h"
#include "model/digest.h"
#include "model/findings.h"
#include "model/held_ports.h"

#define S	1000000000ULL
#define SOCKETS 100000

static struct digest *digest;
static struct facts facts;

static int set_up(void **state)
{
	facts_begin(state);
	host.netns.settings[FACT_PORTS_LOW] = 1024;
	host.netns.settings[FACT_PORTS_HIGH] = 65535;
	facts = host.facts;
	digest = digest_new(60 * S);
	return !digest;
}

static int tear_down(void **state)
{
	(void)state;
	digest_free(digest);
	return 0;
}

static void add(const struct fact_socket *socket)
{
	assert_int_equal(digest_add(digest, socket, 1024, 65535), 0);
}

static struct findings *look(void)
{
	struct findings *findings;

	facts.sockets = digest_sockets(digest, &facts.socket_count);
	facts.held = digest_held(digest);
	findings = findings_new(&facts);
	assert_non_null(findings);
	return findings;
}

static void set_address(uint8_t addr[16], uint32_t number)
{
	const uint8_t bytes[4] = { 10, number >> 16, number >> 8, number };

	memcpy(addr, bytes, sizeof(bytes));
}

static struct fact_socket accepted(uint8_t state, unsigned int i)
{
	struct fact_socket socket = {
		.at = facts_ends(2, 80, 1024 + i % 60000),
		.owner = facts_owner(22, "server"),
		.state = state,
		.silent_ns = FACT_UNKNOWN,
		.idle_ns = FACT_UNKNOWN,
		.opened_most_ns = FACT_UNKNOWN,
	};

	set_address(socket.at.raddr, 0x100000 + i);
	return socket;
}

/* Many sockets of a few processes make one finding each, which counts all of its sockets. */
static void test_leaks(void **state)
{
	struct findings *findings;

	(void)state;
	for (unsigned int i = 0; i < SOCKETS; i++) {
		struct fact_socket socket = accepted(TCPDWELL_CLOSE_WAIT, i);

		socket.owner.pid = 100 + i % 5;
		socket.age_ns = (i % 10 ? 61 : 59) * S; /* a tenth is young */
		add(&socket);
	}
	findings = look();
	assert_int_equal(facts.socket_count, 5);
	assert_int_equal(findings_count(findings), 5);
	for (size_t i = 0; i < 5; i++) {
		const struct finding *f = findings_at(findings, i);

		assert_string_equal(finding_name(f->id), "close_wait_leak");
		assert_int_equal(f->count, f->owner.pid == 100 ? SOCKETS / 10 : SOCKETS / 5);
		assert_false(f->has_end); /* only the first one's end is known */
	}
	findings_free(findings);
	assert_int_equal(digest_lost(digest), 0);
}

/* There are more processes than places. Processes that get no place are counted. */
static void test_lost(void **state)
{
	struct findings *findings;

	(void)state;
	for (unsigned int i = 0; i < DIGEST_FOLDED + 10; i++) {
		struct fact_socket socket = accepted(TCPDWELL_CLOSE_WAIT, i);

		socket.owner.pid = 100 + i;
		socket.age_ns = 61 * S;
		add(&socket);
	}
	findings = look();
	assert_int_equal(facts.socket_count, DIGEST_FOLDED);
	assert_int_equal(findings_count(findings), 1); /* they are of one program */
	assert_int_equal(findings_at(findings, 0)->processes, DIGEST_FOLDED);
	findings_free(findings);
	assert_int_equal(digest_lost(digest), 10);
}

/* A scan of many destinations takes no room from another process's destination. */
static void test_scan(void **state)
{
	struct findings *findings;

	(void)state;
	for (unsigned int i = 0; i < SOCKETS; i++) {
		struct fact_socket socket = accepted(TCPDWELL_SYN_SENT, i);

		socket.client = true;
		socket.timers.retransmits = 2;
		socket.at.rport = 22;
		if (i >= SOCKETS - 3) {
			socket.owner.pid = 23;
			set_address(socket.at.raddr, 1);
		}
		add(&socket);
	}
	findings = look();
	assert_int_equal(facts.socket_count, DIGEST_DESTINATIONS + 1);
	assert_int_equal(findings_count(findings), 2);
	assert_string_equal(finding_name(findings_at(findings, 0)->id), "syn_unanswered");
	assert_int_equal(findings_at(findings, 0)->owner.pid, 23);
	assert_string_equal(finding_name(findings_at(findings, 1)->id), "scan");
	findings_free(findings);
	assert_true(digest_lost(digest) > 0);
}

/* Adds the @i-th peer: it came back, or it has one connection, as most have. */
static void add_connections(unsigned int i, bool came_back)
{
	struct fact_socket socket = accepted(TCPDWELL_ESTABLISHED, i);

	socket.silent_ns = 60 * S;
	socket.opened_ns = 100 * S;
	add(&socket);
	if (!came_back)
		return;
	socket.silent_ns = S;
	socket.opened_ns = 30 * S;
	socket.opened_most_ns = 30 * S;
	add(&socket);
}

/* Only some of many peers are kept. A proxy with many connections takes no room from them. */
static void test_peers(void **state)
{
	const struct finding *finding;
	struct findings *findings;

	(void)state;
	for (unsigned int i = 0; i < SOCKETS; i++) {
		struct fact_socket socket = accepted(TCPDWELL_ESTABLISHED, 0);

		add_connections(i, i % 10 == 0);
		socket.at.rport = i;
		add(&socket);
	}
	findings = look();
	assert_in_range(facts.socket_count, DIGEST_PEERS / 8, DIGEST_PEERS);
	assert_int_equal(findings_count(findings), 1);
	finding = findings_at(findings, 0);
	assert_string_equal(finding_name(finding->id), "half_open");
	assert_in_range(finding->count, DIGEST_PEERS / 100, DIGEST_PEERS / 4);
	findings_free(findings);
}

/* If this host has the peer's address, the other end may be open. */
static void test_near_peers(void **state)
{
	struct findings *findings;
	struct fact_socket here = accepted(TCPDWELL_ESTABLISHED, 0);

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		add_connections(i, true);
	memcpy(here.at.laddr, here.at.raddr, sizeof(here.at.laddr));
	here.at.lport = 1;
	here.client = true;
	add(&here);
	findings = look();
	assert_int_equal(findings_count(findings), 0); /* two are left: too few */
	findings_free(findings);
}

static struct fact_socket client(uint8_t state, uint16_t lport, uint32_t to)
{
	struct fact_socket socket = accepted(state, 0);

	socket.client = true;
	socket.at.lport = lport;
	socket.at.rport = 5432;
	set_address(socket.at.raddr, to);
	return socket;
}

/* Ports of one destination among too many are counted; the count is never too high. */
static void test_many_destinations(void **state)
{
	const struct finding_ports *ports;
	struct findings *findings;
	double usable = 65535 - 1024 + 1;
	uint32_t too_low;

	(void)state;
	for (unsigned int i = 0; i < SOCKETS; i++) {
		struct fact_socket other = client(TCPDWELL_ESTABLISHED, 1024 + i % 60000,
						  0x200000 + i);
		struct fact_socket socket = client(TCPDWELL_TIME_WAIT, 1024 + i, 1);

		add(&other);
		socket.timers.expires_ns = 30 * S;
		if (i < 60000)
			add(&socket);
	}
	findings = look();
	too_low = held_ports_short(facts.held);
	assert_in_range(too_low, 1, 2 * SOCKETS / HELD_DESTINATIONS + 1);
	assert_in_range(held_ports_count(facts.held), 1, HELD_DESTINATIONS);
	assert_int_equal(findings_ports_count(findings), 1);
	ports = findings_ports_at(findings, 0);
	assert_true(ports->taken <= 60000 / usable && ports->taken >= (60000 - too_low) / usable);
	assert_int_equal(findings_count(findings), 1);
	assert_string_equal(finding_name(findings_at(findings, 0)->id), "ports_exhausted");
	findings_free(findings);
}

/* A port with several connections counts once. */
static void test_bound_ports(void **state)
{
	const struct finding_ports *ports;
	struct findings *findings;

	(void)state;
	for (unsigned int i = 0; i < 30000; i++) {
		struct fact_socket socket = client(TCPDWELL_ESTABLISHED, 1024 + i % 10000,
						   0x200000 + i);

		socket.bound = true;
		add(&socket);
	}
	findings = look();
	assert_int_equal(held_ports_count(facts.held), 1);
	ports = findings_ports_at(findings, 0);
	assert_true(ports->bound);
	assert_int_equal(ports->open, 10000);
	findings_free(findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_leaks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_scan, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_peers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_near_peers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_destinations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bound_ports, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
