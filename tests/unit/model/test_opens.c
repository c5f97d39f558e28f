// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The set of open connections, against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/opens.h"

static uint64_t hash_of(uint64_t number)
{
	return (number + 1) * 0x9e3779b97f4a7c15ULL >> 1;
}

static void test_once(void **state)
{
	struct opens *opens = opens_new();
	struct open_port port;

	(void)state;
	assert_true(opens_add(opens, 0, (struct open_port){ 7, true }));
	assert_false(opens_add(opens, 0, (struct open_port){ 8, false }));
	assert_true(opens_take(opens, 0, &port));
	assert_int_equal(port.scope, 7);
	assert_true(port.bound);
	assert_false(opens_take(opens, 0, &port));
	opens_free(opens);
	opens_free(NULL);
}

/* Connections come and go at random: the set has what was added, and nothing else. */
static void test_random(void **state)
{
	struct opens *opens = opens_new();
	static bool there[5000];
	struct open_port port;

	(void)state;
	srand(1);
	for (unsigned int i = 0; i < 400000; i++) {
		unsigned int which = rand() % 5000;

		if (rand() % 2) {
			assert_int_equal(opens_add(opens, hash_of(which),
						   (struct open_port){ which, which % 2 }),
					 !there[which]);
			there[which] = true;
		} else {
			assert_int_equal(opens_take(opens, hash_of(which), &port), there[which]);
			if (there[which])
				assert_int_equal(port.scope, which);
			there[which] = false;
		}
	}
	assert_false(opens_overflowed(opens));
	opens_free(opens);
}

static void test_full(void **state)
{
	const struct open_port none = {};
	struct opens *opens = opens_new();
	struct open_port port;

	(void)state;
	for (unsigned int i = 0; i < OPENS_MAX; i++)
		assert_true(opens_add(opens, hash_of(i), none));
	for (unsigned int i = 0; i < 3 * OPENS_MAX; i++) { /* it is quick at the limit, too */
		assert_true(opens_take(opens, hash_of(i), &port));
		assert_true(opens_add(opens, hash_of(OPENS_MAX + i), none));
	}
	assert_false(opens_overflowed(opens));
	for (unsigned int i = 0; i < 2 * OPENS_MAX; i++)
		opens_add(opens, hash_of(8ULL * OPENS_MAX + i), none);
	assert_true(opens_overflowed(opens));
	opens_free(opens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("opens", tests, NULL, NULL);
}
