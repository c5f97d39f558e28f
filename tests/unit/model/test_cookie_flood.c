// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which listeners send SYN cookies now, and how many a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/cookie_flood.h"

#define S 1000000000ULL

static void look(struct cookie_floods *floods, uint64_t second, uint64_t past_ns, uint64_t sent)
{
	const struct tcpdwell_cookies cookies = {
		.past_ns = past_ns, .sent = sent, .netns = 7, .lport = 80
	};

	cookie_floods_look(floods, second * S);
	cookie_floods_take(floods, &cookies);
}

static void test_flood(void **state)
{
	struct cookie_floods floods = {};

	(void)state;
	/* Cookies that were sent before the tool started do not count. */
	look(&floods, 1, S, 5000);
	assert_int_equal(floods.count, 0);
	look(&floods, 2, 2 * S, 5000);
	assert_int_equal(floods.count, 0);
	look(&floods, 3, S / 2, 5500);
	assert_int_equal(floods.count, 1);
	assert_int_equal(floods.floods[0].who.lport, 80);
	assert_int_equal(floods.floods[0].rate, 500);
	look(&floods, 4, S, 5501);
	assert_int_equal(floods.floods[0].rate, 1);
	/* The flood is over. */
	look(&floods, 5, 2 * S, 5501);
	assert_int_equal(floods.count, 0);
	look(&floods, 6, 3 * S, 5501);
	assert_int_equal(floods.count, 0);
}

/* Another listener of the namespace sends cookies; this one has not sent any for long. */
static void test_another(void **state)
{
	struct cookie_floods floods = {};
	const struct tcpdwell_cookies other = { .past_ns = 1000 * S, .sent = 900, .netns = 7 };

	(void)state;
	look(&floods, 1, 1000 * S, 100);
	look(&floods, 2, 0, 900);
	cookie_floods_take(&floods, &other);
	assert_int_equal(floods.count, 1);
	assert_false(floods.floods[0].shared);
	look(&floods, 3, 0, 2900);
	cookie_floods_take(&floods, &(struct tcpdwell_cookies){ .sent = 2900, .netns = 7 });
	assert_int_equal(floods.count, 2);
	assert_true(floods.floods[0].shared && floods.floods[1].shared);
	assert_int_equal(floods.floods[1].rate, 2000);
}

/* The first cookies of a listener have a rate, because its namespace was counted before. */
static void test_first_cookies(void **state)
{
	struct cookie_floods floods = {};

	(void)state;
	look(&floods, 1, UINT64_MAX, 100);
	look(&floods, 2, UINT64_MAX, 100);
	assert_int_equal(floods.count, 0);
	look(&floods, 3, 0, 400);
	assert_int_equal(floods.count, 1);
	assert_int_equal(floods.floods[0].rate, 300);
}

/* A look that comes late reports the flood, but not its rate. */
static void test_late_look(void **state)
{
	struct cookie_floods floods = {};

	(void)state;
	look(&floods, 1, S, 100);
	look(&floods, 9, 0, 900);
	assert_int_equal(floods.count, 1);
	assert_int_equal(floods.floods[0].rate, 0);
}

/* Namespaces that are gone make room. */
static void test_many_namespaces(void **state)
{
	struct cookie_floods floods = {};

	(void)state;
	for (uint32_t i = 0; i < 3 * COOKIE_NAMESPACES; i++) {
		struct tcpdwell_cookies cookies = { .past_ns = 0, .sent = 100, .netns = i };

		cookie_floods_look(&floods, (2 * i + 1) * S);
		cookie_floods_take(&floods, &cookies);
		cookie_floods_look(&floods, (2 * i + 2) * S);
		cookies.sent = 150;
		cookie_floods_take(&floods, &cookies);
		assert_int_equal(floods.count, 1);
		assert_int_equal(floods.floods[0].rate, 50);
	}
}

/* If the counter cannot be read, only the listener tells. */
static void test_no_counter(void **state)
{
	struct cookie_floods floods = {};

	(void)state;
	look(&floods, 1, S, 0);
	assert_int_equal(floods.count, 0);
	look(&floods, 2, S, 0);
	assert_int_equal(floods.count, 1);
	assert_int_equal(floods.floods[0].rate, 0);
}

/* With tcp_syncookies=2 ordinary connections get cookies, which come back. */
static void test_always(void **state)
{
	struct tcpdwell_cookies cookies = { .netns = 7, .always = 1, .sent = 1000, .valid = 900 };
	struct cookie_floods floods = {};

	(void)state;
	for (unsigned int second = 1; second <= 6; second++) {
		cookie_floods_look(&floods, second * S);
		cookie_floods_take(&floods, &cookies);
		assert_int_equal(floods.count, second == 6);
		/* A few connections are slow; many of more are slow; at last most never come back.
		 * */
		cookies.sent += second < 3 ? 100 : 1000;
		cookies.valid += second < 3 ? 85 : second < 5 ? 900 : 10;
	}
	assert_int_equal(floods.floods[0].rate, 1000);
	assert_int_equal(floods.floods[0].unanswered, 990);
}

/* Without the counters, too, it is unknown what these cookies are. */
static void test_always_without_counter(void **state)
{
	const struct tcpdwell_cookies cookies = { .netns = 7, .always = 1 };
	struct cookie_floods floods = {};

	(void)state;
	for (unsigned int second = 1; second < 4; second++) {
		cookie_floods_look(&floods, second * S);
		cookie_floods_take(&floods, &cookies);
		assert_int_equal(floods.count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood),	  cmocka_unit_test(test_first_cookies),
		cmocka_unit_test(test_late_look), cmocka_unit_test(test_many_namespaces),
		cmocka_unit_test(test_another),	  cmocka_unit_test(test_no_counter),
		cmocka_unit_test(test_always),	  cmocka_unit_test(test_always_without_counter),
	};

	return cmocka_run_group_tests_name("cookie_flood", tests, NULL, NULL);
}
