// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Each socket is reported once, as soon as it is known whom it counts for; and the set of keys. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/options.h"
#include "model/keys.h"
#include "model/once.h"

static struct filters filters;
static struct once *once;
static struct tcpdwell_socket told[16];
static unsigned int told_count;

static int take(void *context, const struct tcpdwell_socket *socket)
{
	(void)context;
	told[told_count++] = *socket;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	memset(&filters, 0, sizeof(filters));
	told_count = 0;
	once = once_new(&filters, NULL, take, NULL);
	return !once;
}

static int tear_down(void **state)
{
	(void)state;
	once_free(once);
	return 0;
}

static void add(uint64_t key, uint32_t pid, uint32_t owner_pid, const char *comm)
{
	struct tcpdwell_socket record = {
		.key = key,
		.state = TCPDWELL_ESTABLISHED,
		.pid = pid,
		.owner_pid = owner_pid,
		.owner = owner_pid ? TCPDWELL_OWNER_ACCEPT : TCPDWELL_OWNER_NONE,
	};

	strcpy(record.comm, comm);
	assert_int_equal(once_add(once, &record), 0);
}

static void test_most_are_told_at_once(void **state)
{
	(void)state;
	add(1, 10, 10, "server");
	assert_int_equal(told_count, 1);
	add(1, 11, 10, "child"); /* holds it, too */
	add(1, 0, 10, "server"); /* the record of its place in the hash tables */
	add(2, 12, 0, "first");	 /* no owner is known: the first holder counts */
	add(2, 13, 0, "second");
	add(3, 0, 0, "");
	assert_int_equal(told_count, 3);
	assert_int_equal(told[0].pid, 10);
	assert_int_equal(told[1].pid, 12);
	assert_int_equal(told[2].pid, 0);
	assert_int_equal(once_finish(once), 0);
	assert_int_equal(told_count, 3);
}

/* The record is another holder's: the owner may still come. */
static void test_some_wait(void **state)
{
	(void)state;
	add(1, 10, 11, "master");
	add(2, 10, 12, "master");
	add(1, 11, 11, "worker");
	assert_int_equal(told_count, 0);
	assert_int_equal(once_finish(once), 0);
	assert_int_equal(told_count, 2);
	assert_int_equal(told[0].pid, 11);
	assert_string_equal(told[0].comm, "worker");
	assert_int_equal(told[1].pid, 10); /* no other holder came */
}

static void test_filters(void **state)
{
	(void)state;
	strcpy(filters.comm, "wanted");
	add(1, 10, 10, "wanted");
	add(2, 11, 11, "other");
	assert_int_equal(told_count, 1);
	/* Any holder may match, so all are waited for. */
	filters.comm[0] = '\0';
	filters.pids.count = 1;
	filters.pids.ids[0] = 13;
	add(3, 12, 12, "server");
	add(3, 13, 12, "child");
	add(4, 14, 14, "other");
	assert_int_equal(told_count, 1);
	assert_int_equal(once_finish(once), 0);
	assert_int_equal(told_count, 2);
	assert_int_equal(told[1].pid, 12);
}

static void test_keys(void **state)
{
	struct keys keys = {};

	(void)state;
	for (uint64_t key = 0; key < 10000; key++) {
		assert_false(keys_has(&keys, key << 40));
		assert_int_equal(keys_add(&keys, key << 40), 1);
		assert_int_equal(keys_add(&keys, key << 40), 0);
	}
	for (uint64_t key = 0; key < 10000; key++)
		assert_true(keys_has(&keys, key << 40));
	assert_false(keys_has(&keys, 1));
	assert_true(keys.size <= 16384);
	keys_release(&keys);
	assert_false(keys_has(&keys, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_most_are_told_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_some_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
