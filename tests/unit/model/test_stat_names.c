// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which group of `stat` a cgroup is in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/stat_names.h"

static const struct named_cgroup nginx = {
	.path = "/pod/a",
	.texts = { "x.scope", "nginx", "aaaa", "web-1", "prod" },
	.pod_uid = "uid1",
};
static const struct named_cgroup sidecar = {
	.path = "/pod/b",
	.texts = { "y.scope", "sidecar", "bbbb", "web-1", "prod" },
	.pod_uid = "uid1",
};
static const struct named_cgroup other = {
	.path = "/other/c",
	.texts = { "x.scope", "nginx", "cccc", NULL, NULL },
	.pod_uid = "uid2",
};
static const struct named_cgroup lxc = { .path = "/lxc/d", .texts = { NULL, "d", NULL } };
static const struct named_cgroup none = { .path = "/" };

static void expect(enum tcpdwell_stat_by by, const uint32_t wanted[5])
{
	static const struct named_cgroup *const cgroups[] = { &nginx, &sidecar, &other, &lxc,
							      &none };
	struct stat_names *names = stat_names_new(by);

	assert_true(stat_names_make(by));
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(stat_names_add(names, i + 1, cgroups[i]), wanted[i]);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(stat_names_add(names, i + 1, cgroups[i]), wanted[i]);
	stat_names_free(names);
}

static void test_groups(void **state)
{
	(void)state;
	expect(TCPDWELL_BY_UNIT, (const uint32_t[]){ 1, 2, 1, 0, 0 });
	expect(TCPDWELL_BY_CONTAINER, (const uint32_t[]){ 1, 2, 3, 4, 0 });
	expect(TCPDWELL_BY_POD, (const uint32_t[]){ 1, 1, 2, 0, 0 });
	expect(TCPDWELL_BY_CGROUP, (const uint32_t[]){ 1, 2, 3, 4, 5 });
	assert_false(stat_names_make(TCPDWELL_BY_STATE));
	assert_false(stat_names_make(TCPDWELL_BY_NETNS));
	assert_false(stat_names_make(TCPDWELL_BY_PROCESS));
}

/* A name that comes later, or changes, belongs to the same group. */
static void test_names(void **state)
{
	struct stat_names *names = stat_names_new(TCPDWELL_BY_CONTAINER);
	struct named_cgroup cgroup = other;
	uint32_t number = stat_names_add(names, 7, &cgroup);

	(void)state;
	assert_string_equal(stat_names_at(names, number)->texts[CONTAINER_LABEL], "nginx");
	assert_string_equal(stat_names_at(names, number)->pod_uid, "uid2");
	cgroup.texts[CONTAINER_LABEL] = "renamed";
	assert_int_equal(stat_names_add(names, 8, &cgroup), number);
	assert_string_equal(stat_names_at(names, number)->texts[CONTAINER_LABEL], "renamed");
	assert_int_equal(stat_names_count(names), 1);
	stat_names_free(names);
	names = stat_names_new(TCPDWELL_BY_CGROUP);
	number = stat_names_add(names, 7, NULL);
	assert_int_equal(stat_names_at(names, number)->cgroup_id, 7);
	assert_null(stat_names_at(names, number)->path);
	assert_int_equal(stat_names_add(names, 7, &lxc), number);
	assert_string_equal(stat_names_at(names, number)->path, "/lxc/d");
	assert_int_equal(stat_names_add(names, 0, NULL), 0);
	assert_null(stat_names_at(names, 0)->path);
	assert_null(stat_names_at(NULL, 1)->path);
	stat_names_free(names);
	stat_names_free(NULL);
}

static void test_bound(void **state)
{
	struct stat_names *names = stat_names_new(TCPDWELL_BY_CGROUP);

	(void)state;
	for (uint64_t i = 1; i <= STAT_NAMES_MAX; i++)
		assert_int_equal(stat_names_add(names, i, NULL), i);
	assert_int_equal(stat_names_add(names, STAT_NAMES_MAX + 1, NULL), 0);
	assert_int_equal(stat_names_add(names, 1, NULL), 1);
	stat_names_free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests_name("stat_names", tests, NULL, NULL);
}
