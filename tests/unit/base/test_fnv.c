// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hashes against values that the authors of FNV publish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/fnv.h"

static void test_published(void **state)
{
	(void)state;
	assert_int_equal(fnv32(FNV32_BEGIN, "", 0), 0x811c9dc5);
	assert_int_equal(fnv32(FNV32_BEGIN, "a", 1), 0xe40c292c);
	assert_int_equal(fnv32(FNV32_BEGIN, "foobar", 6), 0xbf9cf968);
	assert_int_equal(fnv64(FNV64_BEGIN, "", 0), 0xcbf29ce484222325);
	assert_int_equal(fnv64(FNV64_BEGIN, "a", 1), 0xaf63dc4c8601ec8c);
	assert_int_equal(fnv64(FNV64_BEGIN, "foobar", 6), 0x85944171f73967e8);
}

static void test_goes_on(void **state)
{
	(void)state;
	assert_int_equal(fnv32(fnv32(FNV32_BEGIN, "foo", 3), "bar", 3), 0xbf9cf968);
	assert_int_equal(fnv64(fnv64(FNV64_BEGIN, "foo", 3), "bar", 3), 0x85944171f73967e8);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_goes_on),
	};

	return cmocka_run_group_tests_name("fnv", tests, NULL, NULL);
}
