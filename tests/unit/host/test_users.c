// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Users by name: root is the one that every host has. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host/users.h"

static void test_user(void **state)
{
	uint32_t uid = 42;

	(void)state;
	assert_int_equal(users_uid("root", &uid), 0);
	assert_int_equal(uid, 0);
}

static void test_no_user(void **state)
{
	uint32_t uid = 42;

	(void)state;
	assert_int_equal(users_uid("no:such", &uid), -ENOENT); /* no name has a colon */
	assert_int_equal(users_uid("", &uid), -ENOENT);
	assert_int_equal(uid, 42);
}

static void test_user_and_group(void **state)
{
	struct user_ids ids = { 42, 42 };

	(void)state;
	assert_int_equal(users_find("root", &ids), 0);
	assert_int_equal(ids.uid, 0);
	assert_int_equal(ids.gid, 0);
	ids = (struct user_ids){ 42, 42 };
	assert_int_equal(users_find("0", &ids), 0);
	assert_int_equal(ids.uid, 0);
	assert_int_equal(ids.gid, 0);
}

static void test_number_without_a_name(void **state)
{
	struct user_ids ids;

	(void)state;
	assert_int_equal(users_find("4294967294", &ids), 0);
	assert_int_equal(ids.uid, 4294967294);
	assert_int_equal(ids.gid, USERS_NOBODY);
}

static void test_no_number(void **state)
{
	/* The last means "no change" to setresuid(2), the one before is more than there are. */
	static const char *const bad[] = { "",		 "-1",	      "0x0",
					   " 0",	 "0 ",	      "99999999999999999999",
					   "4294967296", "4294967295" };
	struct user_ids ids;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(users_find(bad[i], &ids), -ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),	       cmocka_unit_test(test_no_user),
		cmocka_unit_test(test_user_and_group), cmocka_unit_test(test_number_without_a_name),
		cmocka_unit_test(test_no_number),
	};

	return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
