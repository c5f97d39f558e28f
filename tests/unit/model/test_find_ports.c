// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is found of ports that run out, are taken or are refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "facts_story.h"
#include "found.h"
#include "model/findings.h"

#define S 1000000000ULL

static void test_ports(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_TIME_WAIT, 79);
	assert_nothing_found();
	facts_clients(TCPDWELL_TIME_WAIT, 1);
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(found_figure(f, "used"), 80);
	assert_int_equal(found_figure(f, "timewait"), 80);
	assert_int_equal(f->severity, FINDING_WARNING);
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 1, 0, 5432);
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(f->severity, FINDING_CRITICAL);
	assert_int_equal(found_figure(f, "failed"), 1);
	host.facts.socket_count = 0;
	assert_int_equal(found_only(FINDING_PORTS_EXHAUSTED)->err, EADDRNOTAVAIL);
	host.failures[0].call = FACT_BIND;
	host.failures[0].err = EADDRINUSE;
	assert_int_equal(found_only(FINDING_PORTS_EXHAUSTED)->err, EADDRINUSE);
}

/* tcp_tw_reuse is no advice if it is set, and none without time stamps. */
static void test_advice_on_timewait(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_TIME_WAIT, 100);
	host.netns.settings[FACT_TW_REUSE] = 0;
	assert_non_null(strstr(found_only(FINDING_PORTS_EXHAUSTED)->helps, "tcp_tw_reuse=1."));
	host.netns.settings[FACT_TW_REUSE] = 1;
	host.netns.settings[FACT_TIMESTAMPS] = 0;
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_non_null(strstr(f->helps, "net.ipv4.tcp_timestamps=1"));
	assert_non_null(strstr(f->useless, "tcp_tw_reuse without"));
	assert_int_equal(f->settings[f->setting_count - 1], FACT_TIMESTAMPS);
	host.netns.settings[FACT_TIMESTAMPS] = 1;
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 1, 0, 5432);
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_null(strstr(f->helps, "tcp_tw_reuse"));
	assert_non_null(strstr(f->useless, "tcp_tw_reuse, which is on"));
}

/* A range may be narrower than it looks: reserved ports, or IP_LOCAL_PORT_RANGE. */
static void test_advice_on_open_ports(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_ESTABLISHED, 40);
	host.netns.settings[FACT_PORTS_RESERVED] = 60;
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(found_figure(f, "reserved"), 60);
	assert_non_null(strstr(f->helps, "ip_local_reserved_ports"));
	host.netns.settings[FACT_PORTS_RESERVED] = 0;
	for (unsigned int i = 0; i < 40; i++) {
		host.sockets[i].ports_low = 40000;
		host.sockets[i].ports_high = 40039;
	}
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_non_null(strstr(f->helps, "IP_LOCAL_PORT_RANGE"));
}

/* pressure.h says whose ports are in whose way, and what follows. */
static void test_ports_by_holder(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_ESTABLISHED, 100);
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_non_null(strstr(f->why, "Open connections hold them: "));
	assert_non_null(strstr(f->why, "has 100 connections."));
	assert_non_null(strstr(f->helps, "Fewer connections at a time"));
	assert_non_null(strstr(f->useless, "tcp_tw_reuse"));
	/* There is room enough to ten destinations, except for those that bind. */
	for (unsigned int i = 0; i < 100; i++) {
		host.sockets[i].at.raddr[3] = i % 10;
		host.sockets[i].state = TCPDWELL_TIME_WAIT;
	}
	assert_nothing_found();
	for (unsigned int i = 0; i < 100; i++)
		host.sockets[i].bound = true;
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(found_figure(f, "used"), 100);
	assert_int_equal(f->at.rport, 0);
	assert_non_null(strstr(f->helps, "IP_BIND_ADDRESS_NO_PORT"));
	/* There are two links, and each has half of the connections. */
	for (unsigned int i = 0; i < 100; i++)
		host.sockets[i].scope = i % 2;
	assert_nothing_found();
}

/* One of three source addresses has no port left, and which one failed is not told. */
/* A port stays taken until each process that has its socket has closed it. */
static void test_ports_of_forked(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_ESTABLISHED, 100);
	for (unsigned int i = 0; i < 100; i++)
		host.sockets[i].holders = i < 60 ? 5 : 1;
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_non_null(strstr(f->why, "app has 100 connections. Others, such as forked children, "
				       "have 60 of the sockets open, too."));
}

static void test_ports_of_one(void **state)
{
	(void)state;
	facts_clients(TCPDWELL_TIME_WAIT, 90);
	for (unsigned int i = 1; i < 90; i++)
		host.sockets[i].owner = (struct fact_owner){ 0 };
	assert_non_null(strstr(found_only(FINDING_PORTS_EXHAUSTED)->why, "app has 1 connection."));
}

static void test_ports_of_several_sources(void **state)
{
	const struct finding *f;

	(void)state;
	facts_clients(TCPDWELL_ESTABLISHED, 150);
	for (unsigned int i = 0; i < 150; i++) {
		host.sockets[i].at.laddr[3] = i < 100 ? 3 : 1;
		host.sockets[i].at.lport = 40000 + i % 100;
	}
	facts_add_failure(FACT_CONNECT, EADDRNOTAVAIL, 5, 0, 5432);
	f = found_only(FINDING_PORTS_EXHAUSTED);
	assert_int_equal(f->at.laddr[3], 3);
	assert_int_equal(found_figure(f, "failed"), 5);
}

/* Returns the local ports of the @i-th destination, until the next call; NULL: there is none. */
static const struct finding_ports *ports_at(size_t i)
{
	static struct finding_ports ports;
	struct findings *findings = found_look();
	size_t count;

	assert_non_null(findings);
	count = findings_ports_count(findings);
	if (i < count)
		ports = *findings_ports_at(findings, i);
	findings_free(findings);
	return i < count ? &ports : NULL;
}

/* Destinations are listed, wrong or not, for reports of how full they are. */
static void test_fullest_destinations(void **state)
{
	struct finding_ports before;
	struct fact_socket *s;

	(void)state;
	host.netns.settings[FACT_PORTS_HIGH] = 40999;
	s = facts_clients(TCPDWELL_ESTABLISHED, 320);
	for (unsigned int i = 0; i < 20; i++)
		s[i].at.raddr[3] = 3;
	for (unsigned int i = 20; i < 25; i++)
		s[i].at.raddr[3] = 4; /* below a hundredth */
	assert_int_equal(ports_at(0)->open, 295);
	assert_true(ports_at(0)->taken == 0.295);
	assert_int_equal(ports_at(0)->at.rport, 5432);
	assert_false(ports_at(0)->fills);
	assert_int_equal(ports_at(1)->open, 20);
	assert_null(ports_at(2));
	assert_nothing_found();
	/* There were 100 of them 10 s ago: 705 are left, and 19.5 go each second. */
	before = *ports_at(0);
	before.open = 100;
	host.facts.ports = &before;
	host.facts.port_count = 1;
	assert_true(ports_at(0)->fills);
	assert_int_equal(ports_at(0)->left_ns / S, 36);
	assert_false(ports_at(1)->fills);
	/* Ports that bind() took are closed to each destination, and all ports to bind(). */
	for (unsigned int i = 100; i < 200; i++)
		s[i].bound = true;
	assert_true(ports_at(0)->bound);
	assert_true(ports_at(0)->taken == 0.32);
	assert_true(ports_at(1)->taken == 0.295);
	assert_int_equal(ports_at(1)->open, 195);
	assert_false(ports_at(1)->bound);
	assert_true(ports_at(2)->taken == 0.12);
	assert_null(ports_at(4));
}

/* Connections that entered TIME_WAIT lately show the rate of those that will. */
static void test_destination_that_fills(void **state)
{
	struct fact_socket *s;

	(void)state;
	host.netns.settings[FACT_PORTS_HIGH] = 40999;
	s = facts_clients(TCPDWELL_TIME_WAIT, 400);
	for (unsigned int i = 0; i < 400; i++)
		s[i].timers.expires_ns = (60 - i / 40) * S; /* 40 a second, for 10 s */
	assert_true(ports_at(0)->taken == 0.4);
	assert_true(ports_at(0)->fills);
	assert_in_range(ports_at(0)->left_ns / S, 14, 15);
	/* To 127.0.0.1 connect() takes such ports back. */
	for (unsigned int i = 0; i < 400; i++)
		s[i].at.laddr[0] = 127;
	host.netns.settings[FACT_TW_REUSE] = 2;
	assert_null(ports_at(0));
}

static void test_address_in_use(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(0, 128);
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_string_equal(f->why, "server (pid 22) listens there.");
	assert_int_equal(f->at.lport, 80);
}

/* Tells what has the port if nobody listens at that address. */
static void test_who_has_the_port(void **state)
{
	struct fact_socket *l = facts_listener(0, 128), *s;
	const struct finding *f;

	(void)state;
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0); /* of 10.0.0.1 */
	l->at.laddr[0] = 127;
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_non_null(strstr(f->why, "Nothing has it"));
	s = facts_accepted(TCPDWELL_TIME_WAIT, 2);
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(found_figure(f, "timewait"), 2);
	assert_non_null(strstr(f->why, "TIME_WAIT"));
	assert_true(f->has_end);
	s[1].state = TCPDWELL_ESTABLISHED;
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(found_figure(f, "connections"), 1);
	assert_non_null(strstr(f->why, "server (pid 22) has connections at that port"));
	assert_non_null(strstr(f->helps, "Stop that process"));
	s[1].client = true;
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_non_null(strstr(f->helps, "ip_local_reserved_ports"));
	s[1].owner = (struct fact_owner){ 0 };
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "are closed"));
	memset(l->at.laddr, 0, sizeof(l->at.laddr));
	l->owner = (struct fact_owner){ 0 };
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "process is not known"));
}

/* A port is not free as long as a child has the socket, or a process that does not use it. */
static void test_who_else_has_the_port(void **state)
{
	struct fact_socket *l = facts_listener(0, 128);

	(void)state;
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	l->holders = 1;
	assert_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "others have"));
	l->holders = 2;
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "others have that socket"));
	l->state = TCPDWELL_CLOSE;
	l->bound = true;
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "neither listens"));
	assert_string_equal(found_only(FINDING_ADDRESS_IN_USE)->more,
			    "tcpdwell snapshot --sockets -s CLOSE -L 80 --netns blue");
}

/* Addresses of the other family are in the way where one is :: and its socket is for both. */
static void test_who_has_the_port_of_two_families(void **state)
{
	struct fact_socket *l = facts_listener(0, 128);
	struct fact_failure *failure = &host.failures[0];

	(void)state;
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	memset(l->at.laddr, 0, sizeof(l->at.laddr));
	memset(failure->at.laddr, 0, sizeof(failure->at.laddr));
	failure->at.family = 6;
	failure->at.laddr[15] = 1; /* ::1, where 0.0.0.0 is taken */
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
	failure->at.laddr[15] = 0; /* :: */
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "listens there"));
	failure->v6only = true;
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
	failure->v6only = false;
	/* The other way round. */
	failure->at.family = 4;
	l->at.family = 6;
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "listens there"));
	failure->at.laddr[0] = 10; /* 10.0.0.0 */
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "listens there"));
	l->v6only = true;
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
	l->v6only = false;
	l->at.laddr[15] = 1;
	memset(failure->at.laddr, 0, sizeof(failure->at.laddr));
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "Nothing has it"));
}

static void test_listen_in_use(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(0, 4);
	facts_add_failure(FACT_LISTEN, EADDRINUSE, 1, 80, 0);
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_string_equal(f->why, "server (pid 22) listens there.");
	assert_int_equal(f->owner.pid, 11);
}

static void test_forbidden_port(void **state)
{
	const struct finding *f;

	(void)state;
	facts_add_failure(FACT_BIND, EACCES, 1, 80, 0);
	host.netns.settings[FACT_UNPRIVILEGED] = 1024;
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(f->err, EACCES);
	assert_non_null(strstr(f->why, "CAP_NET_BIND_SERVICE"));
	assert_int_equal(f->settings[0], FACT_UNPRIVILEGED);
	host.netns.settings[FACT_UNPRIVILEGED] = 80;
	assert_non_null(strstr(found_only(FINDING_ADDRESS_IN_USE)->why, "A security module"));
}

static void test_foreign_address(void **state)
{
	const struct finding *f;

	(void)state;
	facts_listener(0, 128);
	facts_add_failure(FACT_BIND, EADDRNOTAVAIL, 2, 80, 0);
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_int_equal(f->err, EADDRNOTAVAIL);
	assert_int_equal(found_figure(f, "failed"), 2);
	assert_non_null(strstr(f->why, "No interface of this namespace has that address"));
	host.failures[0].at.family = 6;
	host.netns.settings[FACT_NO_IPV6] = 1;
	f = found_only(FINDING_ADDRESS_IN_USE);
	assert_non_null(strstr(f->why, "IPv6 is off"));
	facts_listener(0, 128)->owner = host.failures[0].owner;
	assert_nothing_found(); /* it serves localhost over IPv4 */
}

/* The command shows the rows of the namespace that it is about. */
static void test_namespace_of_the_command(void **state)
{
	(void)state;
	facts_listener(0, 128);
	facts_add_failure(FACT_BIND, EADDRINUSE, 1, 80, 0);
	assert_string_equal(found_only(FINDING_ADDRESS_IN_USE)->more,
			    "tcpdwell snapshot --sockets -L 80 --netns blue");
	host.netns.name[0] = '\0';
	assert_string_equal(found_only(FINDING_ADDRESS_IN_USE)->more,
			    "tcpdwell snapshot --sockets -L 80 --netns 7");
	host.netns.own = true;
	assert_string_equal(found_only(FINDING_ADDRESS_IN_USE)->more,
			    "tcpdwell snapshot --sockets -L 80");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ports, facts_begin),
		cmocka_unit_test_setup(test_advice_on_timewait, facts_begin),
		cmocka_unit_test_setup(test_advice_on_open_ports, facts_begin),
		cmocka_unit_test_setup(test_ports_by_holder, facts_begin),
		cmocka_unit_test_setup(test_ports_of_forked, facts_begin),
		cmocka_unit_test_setup(test_ports_of_one, facts_begin),
		cmocka_unit_test_setup(test_ports_of_several_sources, facts_begin),
		cmocka_unit_test_setup(test_fullest_destinations, facts_begin),
		cmocka_unit_test_setup(test_destination_that_fills, facts_begin),
		cmocka_unit_test_setup(test_address_in_use, facts_begin),
		cmocka_unit_test_setup(test_who_has_the_port, facts_begin),
		cmocka_unit_test_setup(test_who_else_has_the_port, facts_begin),
		cmocka_unit_test_setup(test_who_has_the_port_of_two_families, facts_begin),
		cmocka_unit_test_setup(test_listen_in_use, facts_begin),
		cmocka_unit_test_setup(test_forbidden_port, facts_begin),
		cmocka_unit_test_setup(test_foreign_address, facts_begin),
		cmocka_unit_test_setup(test_namespace_of_the_command, facts_begin),
	};

	return cmocka_run_group_tests_name("find_ports", tests, NULL, NULL);
}
