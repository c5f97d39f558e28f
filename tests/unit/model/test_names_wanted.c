// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which container, pod and unit a filter means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/filters.h"
#include "host/name_book.h"
#include "model/names_wanted.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char *const web[CONTAINER_TEXTS] = {
	[CONTAINER_UNIT] = "docker-x.scope",
	[CONTAINER_LABEL] = "web",
	[CONTAINER_ID] = ID,
	[CONTAINER_POD] = "web-7c9f",
	[CONTAINER_POD_NAMESPACE] = "prod",
};
static const char *const nginx[CONTAINER_TEXTS] = { [CONTAINER_UNIT] = "nginx.service" };
static const char *const none[CONTAINER_TEXTS];

static void expect(const char *container, const char *pod, const char *unit,
		   const char *const texts[], bool wanted)
{
	static struct filters filters;
	struct named_cgroup cgroup = {};
	struct parse_fault fault;

	filters.names = (struct name_filter){ 0 };
	if (container)
		assert_int_equal(parse_words(container, &filters.names.containers, &fault), 0);
	if (pod)
		assert_int_equal(parse_pods(pod, &filters.names.pods, &fault), 0);
	if (unit)
		assert_int_equal(parse_words(unit, &filters.names.units, &fault), 0);
	assert_int_equal(filters_have_names(&filters), container || pod || unit);
	if (texts)
		memcpy(cgroup.texts, texts, sizeof(cgroup.texts));
	assert_int_equal(names_wanted(&filters, texts ? &cgroup : NULL), wanted);
}

static void test_containers(void **state)
{
	(void)state;
	expect(NULL, NULL, NULL, web, true);
	expect(NULL, NULL, NULL, NULL, true);
	expect("web", NULL, NULL, web, true);
	expect("other,web", NULL, NULL, web, true);
	expect("we", NULL, NULL, web, false);
	expect("webs", NULL, NULL, web, false);
	expect("0123456789ab", NULL, NULL, web, true);
	expect(ID, NULL, NULL, web, true);
	expect(ID "0", NULL, NULL, web, false);
	expect("0123456789a", NULL, NULL, web, false);
	expect("0123456789ac", NULL, NULL, web, false);
	expect("web", NULL, NULL, nginx, false);
	expect("web", NULL, NULL, NULL, false);
}

static void test_pods(void **state)
{
	(void)state;
	expect(NULL, "prod/web-7c9f", NULL, web, true);
	expect(NULL, "dev/web-7c9f,prod/web-7c9f", NULL, web, true);
	expect(NULL, "dev/web-7c9f", NULL, web, false);
	expect(NULL, "prod/web", NULL, web, false);
	expect(NULL, "prod/web-7c9f", NULL, nginx, false);
	expect(NULL, "prod/web-7c9f", NULL, NULL, false);
}

static void test_units(void **state)
{
	(void)state;
	expect(NULL, NULL, "nginx.service", nginx, true);
	expect(NULL, NULL, "nginx", nginx, true);
	expect(NULL, NULL, "ngin", nginx, false);
	expect(NULL, NULL, "docker-x", web, false);
	expect(NULL, NULL, "nginx.socket", nginx, false);
	expect(NULL, NULL, "nginx", none, false);
	/* Each filter narrows the result. */
	expect("web", "prod/web-7c9f", "docker-x.scope", web, true);
	expect("web", "prod/web-7c9f", "nginx", web, false);
}

static void test_pods_bad(void **state)
{
	static const char *const bad[] = { "", "web", "/web", "prod/", "a/b/c", "a/b,", "a/b,c" };
	struct word_list words = { .count = 0 };
	struct parse_fault fault;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(parse_pods(bad[i], &words, &fault) < 0);
	words.count = PARSE_LIST_MAX;
	assert_true(parse_words("one", &words, &fault) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_containers),
		cmocka_unit_test(test_pods),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_pods_bad),
	};

	return cmocka_run_group_tests_name("names_wanted", tests, NULL, NULL);
}
