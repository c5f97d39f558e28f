// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counters of a namespace, by name, from files as the kernel prints them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/netstat.h"

static char root[] = "/tmp/tcpdwell-netstat-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/proc/thread-self/net/%s", root, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static int make(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/proc", root);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/thread-self");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/net");
	assert_int_equal(mkdir(path, 0700), 0);
	return 0;
}

static int clean(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static const char *const names[] = { "Tcp.OutRsts", "TcpExt.ListenDrops", "TcpExt.OutRsts",
				     "TcpExt.Younger" };

static void test_by_name(void **state)
{
	uint64_t values[4];

	(void)state;
	write_file("snmp", "Ip: Forwarding OutRsts\nIp: 1 99\n"
			   "Tcp: RtoMin MaxConn OutRsts\nTcp: 200 -1 7\n");
	write_file("netstat", "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 0 18446744073709551614\n"
			      "IpExt: InNoRoutes\nIpExt: 3\n");
	assert_int_equal(netstat_read(root, names, values, 4), 0);
	assert_int_equal(values[0], 7);
	assert_int_equal(values[1], UINT64_MAX - 1);
	assert_true(values[2] == NETSTAT_UNKNOWN);
	assert_true(values[3] == NETSTAT_UNKNOWN);
}

/* Lines that do not belong together, or end early, say nothing. */
static void test_broken(void **state)
{
	uint64_t values[4];

	(void)state;
	write_file("snmp", "Tcp: RtoMin OutRsts\nUdp: 200 7\n");
	write_file("netstat",
		   "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 5\nTcpExt: ListenDrops\n");
	assert_int_equal(netstat_read(root, names, values, 4), 0);
	for (int i = 0; i < 4; i++)
		assert_true(values[i] == NETSTAT_UNKNOWN);
	assert_int_equal(netstat_read("/nowhere", names, values, 4), -ENOENT);
}

static void test_growth(void **state)
{
	(void)state;
	assert_int_equal(netstat_grew(3, 10), 7);
	assert_int_equal(netstat_grew(10, 3), 0);
	assert_int_equal(netstat_grew(NETSTAT_UNKNOWN, 3), 0);
	assert_int_equal(netstat_grew(3, NETSTAT_UNKNOWN), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
