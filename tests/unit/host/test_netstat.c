// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counters of a namespace, by name, from files as the kernel prints them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/netns_walk.h"
#include "host/netstat.h"

/* Reads two files one after the other, as netstat_read() does. */
static void take(const char *const names[], uint64_t values[], size_t count, const char *snmp,
		 const char *netstat)
{
	const char *texts[] = { snmp, netstat };

	for (size_t i = 0; i < count; i++)
		values[i] = NETSTAT_UNKNOWN;
	for (int i = 0; i < 2; i++) {
		FILE *file = fmemopen((char *)texts[i], strlen(texts[i]), "r");

		assert_non_null(file);
		netstat_take(file, names, values, count);
		fclose(file);
	}
}

static const char *const names[] = { "Tcp.OutRsts", "TcpExt.ListenDrops", "TcpExt.OutRsts",
				     "TcpExt.Younger" };

static void test_by_name(void **state)
{
	uint64_t values[4];

	(void)state;
	take(names, values, 4,
	     "Ip: Forwarding OutRsts\nIp: 1 99\n"
	     "Tcp: RtoMin MaxConn OutRsts\nTcp: 200 -1 7\n",
	     "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 0 18446744073709551614\n"
	     "IpExt: InNoRoutes\nIpExt: 3\n");
	assert_int_equal(values[0], 7);
	assert_int_equal(values[1], UINT64_MAX - 1);
	assert_true(values[2] == NETSTAT_UNKNOWN);
	assert_true(values[3] == NETSTAT_UNKNOWN);
}

/* Lines that do not belong together, or end early, tell nothing. */
static void test_broken(void **state)
{
	uint64_t values[4];

	(void)state;
	take(names, values, 4, "Tcp: RtoMin OutRsts\nUdp: 200 7\n",
	     "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 5\nTcpExt: ListenDrops\n");
	for (int i = 0; i < 4; i++)
		assert_true(values[i] == NETSTAT_UNKNOWN);
}

static struct netstat_host host_of(const char *text)
{
	struct netstat_host host = { NETSTAT_UNKNOWN, NETSTAT_UNKNOWN, NETSTAT_UNKNOWN };
	FILE *file = fmemopen((char *)text, strlen(text), "r");

	assert_non_null(file);
	netstat_take_host(file, &host);
	fclose(file);
	return host;
}

static void test_host(void **state)
{
	struct netstat_host host = host_of("sockets: used 18\n"
					   "TCP: inuse 1 orphan 5 tw 1131 alloc 16 mem 117\n"
					   "UDP: inuse 2 mem 3\n");

	(void)state;
	assert_int_equal(host.orphans, 5);
	assert_int_equal(host.pages, 117);
	host = host_of("TCP: inuse 1 orphan 5\n");
	assert_int_equal(host.orphans, 5);
	assert_true(host.pages == NETSTAT_UNKNOWN);
	assert_true(host_of("UDP: inuse 2 mem 3\n").orphans == NETSTAT_UNKNOWN);
}

/* A namespace with fewer counters takes nothing away. */
static void test_host_is_added_to(void **state)
{
	const struct netns_place gone = { .inode = 1 }, own = { .own = true };
	struct netstat_host host = netstat_host_unknown;

	(void)state;
	host.orphans = 5;
	netstat_add_host(&gone, &host);
	assert_int_equal(host.orphans, 5);
	netstat_add_host(&own, &host);
	assert_int_equal(host.orphans, 5);
	assert_true(host.pages != NETSTAT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_host_is_added_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
