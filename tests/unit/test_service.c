// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which end is the service: decided by who connected, who listens, and the range, in this order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service.h"

static const struct service_range range = { 32768, 60999 };

static void test_owner(void **state)
{
	(void)state;
	/* The ports do not matter here. */
	assert_int_equal(service_side(TCPDWELL_OWNER_CONNECT, 0, 80, 40000, range), SERVICE_REMOTE);
	assert_int_equal(service_side(TCPDWELL_OWNER_ACCEPT, 0, 40000, 80, range), SERVICE_LOCAL);
	assert_int_equal(service_side(TCPDWELL_OWNER_LISTEN, 0, 40000, 41000, range),
			 SERVICE_LOCAL);
	assert_int_equal(service_side(TCPDWELL_OWNER_CONNECT, 0, 0, 443, range), SERVICE_REMOTE);
}

static void test_listener(void **state)
{
	const uint8_t none = TCPDWELL_OWNER_NONE;

	(void)state;
	assert_int_equal(service_side(none, SERVICE_LISTENS_LOCAL, 50432, 40000, range),
			 SERVICE_LOCAL);
	assert_int_equal(service_side(none, SERVICE_LISTENS_REMOTE, 40000, 50432, range),
			 SERVICE_REMOTE);
	/* Both ends listen: the range decides again. */
	assert_int_equal(service_side(none, SERVICE_LISTENS_LOCAL | SERVICE_LISTENS_REMOTE, 80,
				      40000, range),
			 SERVICE_LOCAL);
}

static void test_range(void **state)
{
	static const uint8_t owners[] = { TCPDWELL_OWNER_NONE, TCPDWELL_OWNER_SCAN,
					  TCPDWELL_OWNER_CLOSE };

	(void)state;
	for (size_t i = 0; i < sizeof(owners); i++) {
		assert_int_equal(service_side(owners[i], 0, 443, 32768, range), SERVICE_LOCAL);
		assert_int_equal(service_side(owners[i], 0, 60999, 443, range), SERVICE_REMOTE);
		assert_int_equal(service_side(owners[i], 0, 40000, 50432, range), SERVICE_UNKNOWN);
		assert_int_equal(service_side(owners[i], 0, 80, 61000, range), SERVICE_UNKNOWN);
		assert_int_equal(service_side(owners[i], 0, 0, 80, range), SERVICE_UNKNOWN);
	}
}

static void test_port(void **state)
{
	(void)state;
	assert_int_equal(service_port(SERVICE_LOCAL, 80, 40000), 80);
	assert_int_equal(service_port(SERVICE_REMOTE, 40000, 80), 80);
	assert_int_equal(service_port(SERVICE_UNKNOWN, 40000, 50000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_port),
	};

	return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
