// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Users by name: root is the one that every host has. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host/account.h"

static void test_user(void **state)
{
	uint32_t uid = 42;

	(void)state;
	assert_int_equal(account_uid("root", &uid), 0);
	assert_int_equal(uid, 0);
}

static void test_no_user(void **state)
{
	uint32_t uid = 42;

	(void)state;
	assert_int_equal(account_uid("no:such", &uid), -ENOENT); /* no name has a colon */
	assert_int_equal(account_uid("", &uid), -ENOENT);
	assert_int_equal(uid, 42);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_no_user),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
