// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which of the sockets that sock_diag(7) knows are wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/sockdiag_filter.h"

static struct sockdiag_socket sample(void)
{
	return (struct sockdiag_socket){
		.family = 4,
		.lport = 40000,
		.rport = 443,
		.laddr = { 192, 0, 2, 1 },
		.raddr = { 198, 51, 100, 7 },
	};
}

static struct filters with_ports(const char *lports, const char *rports, const char *ports)
{
	struct filters filters = {};
	struct parse_fault fault;

	if (lports)
		assert_int_equal(parse_ports(lports, &filters.lports, &fault), 0);
	if (rports)
		assert_int_equal(parse_ports(rports, &filters.rports, &fault), 0);
	if (ports)
		assert_int_equal(parse_ports(ports, &filters.ports, &fault), 0);
	return filters;
}

static bool wanted_by_addr(const char *cidrs, const struct sockdiag_socket *socket)
{
	struct filters filters = {};
	struct parse_fault fault;

	assert_int_equal(parse_cidrs(cidrs, &filters.addrs, &fault), 0);
	return sockdiag_wanted(&filters, socket);
}

static void test_ports(void **state)
{
	struct sockdiag_socket s = sample();
	struct filters f;

	(void)state;
	f = with_ports(NULL, NULL, NULL);
	assert_true(sockdiag_wanted(&f, &s));
	f = with_ports("40000", "443", "443");
	assert_true(sockdiag_wanted(&f, &s));
	f = with_ports("443", NULL, NULL);
	assert_false(sockdiag_wanted(&f, &s));
	f = with_ports(NULL, "40000", NULL);
	assert_false(sockdiag_wanted(&f, &s));
	f = with_ports(NULL, NULL, "40000");
	assert_true(sockdiag_wanted(&f, &s));
	f = with_ports(NULL, NULL, "1-100");
	assert_false(sockdiag_wanted(&f, &s));
	f = (struct filters){ .family = 6 };
	assert_false(sockdiag_wanted(&f, &s));
	f.family = 4;
	assert_true(sockdiag_wanted(&f, &s));
}

static void test_addrs(void **state)
{
	const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	struct sockdiag_socket s = sample();

	(void)state;
	assert_true(wanted_by_addr("192.0.2.1", &s));
	assert_true(wanted_by_addr("198.51.100.0/24", &s));
	assert_true(wanted_by_addr("192.0.2.0/31", &s));
	assert_false(wanted_by_addr("192.0.2.2/31", &s));
	assert_true(wanted_by_addr("10.0.0.0/8,0.0.0.0/0", &s));
	assert_false(wanted_by_addr("10.0.0.0/8", &s));
	assert_false(wanted_by_addr("::/0", &s));
	s.family = 6;
	memcpy(s.laddr, v6, 16);
	assert_true(wanted_by_addr("2001:db8::/32", &s));
	assert_true(wanted_by_addr("2001:db8::1", &s));
	assert_false(wanted_by_addr("2001:db8::2", &s));
	assert_false(wanted_by_addr("0.0.0.0/0", &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_addrs),
	};

	return cmocka_run_group_tests_name("sockdiag_filter", tests, NULL, NULL);
}
