// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Settings of local ports, as text and from a /proc that the test makes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/ephemeral.h"
#include "host/procfs_net.h"

struct place {
	char root[32];
};

static void make_folders(const struct place *place, const char *path)
{
	char full[256], *slash;

	snprintf(full, sizeof(full), "%s%s", place->root, path);
	for (slash = full + strlen(place->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(!mkdir(full, 0755) || errno == EEXIST);
		*slash = '/';
	}
}

static void put_file(const struct place *place, const char *path, const char *text)
{
	char full[256];
	FILE *file;

	make_folders(place, path);
	snprintf(full, sizeof(full), "%s%s", place->root, path);
	file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void put_setting(const struct place *place, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	put_file(place, path, text);
}

static int set_up(void **state)
{
	struct place *place = malloc(sizeof(*place));

	strcpy(place->root, "/tmp/tcpdwell-XXXXXX");
	assert_non_null(mkdtemp(place->root));
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", place->root);
	assert_int_equal(system(command), 0);
	free(place);
	return 0;
}

static void test_range(void **state)
{
	static const char *const bad[] = { "", "1", "x y", "0 10", "20 10", "1 65536", "-1 5" };
	uint16_t low, high;

	(void)state;
	assert_int_equal(ephemeral_parse_range("32768\t60999", &low, &high), 0);
	assert_int_equal(low, 32768);
	assert_int_equal(high, 60999);
	assert_int_equal(ephemeral_parse_range("5 5\n", &low, &high), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(ephemeral_parse_range(bad[i], &low, &high), -EINVAL);
}

static void test_reserved(void **state)
{
	(void)state;
	assert_int_equal(ephemeral_count_reserved("", 1000, 2000), 0);
	assert_int_equal(ephemeral_count_reserved("1500", 1000, 2000), 1);
	assert_int_equal(ephemeral_count_reserved("999,1000,2000,2001", 1000, 2000), 2);
	assert_int_equal(ephemeral_count_reserved("1-65535", 1000, 2000), 1001);
	assert_int_equal(ephemeral_count_reserved("900-1009,1990-2100,3000-4000", 1000, 2000), 21);
	assert_int_equal(ephemeral_count_reserved("1500,junk", 1000, 2000), 1);
	assert_int_equal(ephemeral_count_reserved("1-65535,1-65535", 1000, 2000), 1001);
}

static void test_read(void **state)
{
	const struct place *place = *state;
	struct ephemeral e;

	assert_int_equal(ephemeral_read(&e, place->root), -ENOENT);
	assert_false(e.known);
	put_setting(place, "ip_local_port_range", "1024\t2023\n");
	assert_int_equal(ephemeral_read(&e, place->root), 0);
	assert_true(e.known);
	assert_int_equal(e.usable, 1000);
	/* A setting that an older kernel lacks. */
	assert_int_equal(e.tw_reuse_delay_ms, 1000);
	assert_true(e.timestamps);

	put_setting(place, "ip_local_reserved_ports", "1024-1123\n");
	put_setting(place, "tcp_tw_reuse", "2\n");
	put_setting(place, "tcp_timestamps", "0\n");
	put_setting(place, "tcp_tw_reuse_delay", "250\n");
	put_setting(place, "tcp_fin_timeout", "15\n");
	put_setting(place, "tcp_max_tw_buckets", "131072\n");
	assert_int_equal(ephemeral_read(&e, place->root), 0);
	assert_int_equal(e.reserved, 100);
	assert_int_equal(e.usable, 900);
	assert_int_equal(e.tw_reuse, TW_REUSE_LOOPBACK);
	assert_false(e.timestamps);
	assert_int_equal(e.tw_reuse_delay_ms, 250);
	assert_int_equal(e.fin_timeout_s, 15);
	assert_int_equal(e.max_tw_buckets, 131072);

	put_setting(place, "ip_local_port_range", "");
	assert_int_equal(ephemeral_read(&e, place->root), -ENODATA);
	assert_false(e.known);
	put_setting(place, "ip_local_port_range", "nonsense\n");
	assert_int_equal(ephemeral_read(&e, place->root), -EINVAL);
	assert_false(e.known);
}

static void test_reuses(void **state)
{
	struct ephemeral e = { .known = true, .timestamps = true };

	(void)state;
	assert_false(ephemeral_reuses(&e, true));
	e.tw_reuse = TW_REUSE_LOOPBACK;
	assert_true(ephemeral_reuses(&e, true));
	assert_false(ephemeral_reuses(&e, false));
	e.tw_reuse = TW_REUSE_ALL;
	assert_true(ephemeral_reuses(&e, false));
	e.timestamps = false;
	assert_false(ephemeral_reuses(&e, true));
}

struct visits {
	unsigned int count;
	char seen[4][16];
};

static bool note_visit(void *context, const char *name, uint32_t pid, int fd)
{
	struct visits *visits = context;

	assert_true(fd >= 0);
	assert_true(visits->count < 4);
	assert_int_equal(pid, visits->count == 2 ? 12 : 0);
	strcpy(visits->seen[visits->count], name ? name : "-");
	return ++visits->count < 4;
}

/* Makes a name that leads to some namespace. */
static void put_namespace(const struct place *place, const char *name)
{
	char path[256];

	put_file(place, name, "");
	snprintf(path, sizeof(path), "%s%s", place->root, name);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/proc/self/ns/net", path), 0);
}

/* A file that would block open(), or is no namespace, is not visited. */
static void test_namespaces(void **state)
{
	const struct place *place = *state;
	struct visits visits = {};

	assert_int_equal(procfs_each_netns(place->root, note_visit, &visits), -ENOENT);
	assert_int_equal(visits.count, 0);
	put_namespace(place, "/proc/self/ns/net");
	put_namespace(place, "/proc/12/ns/net");
	put_namespace(place, "/proc/12x/ns/net");
	put_namespace(place, "/proc/net/ns/net");
	put_namespace(place, "/run/netns/blue");
	put_namespace(place, "/run/netns/covered");
	put_namespace(place, "/run/netns/not-mounted");
	put_file(place, "/run/netns/plain", "");
	put_file(place, "/proc/self/mountinfo",
		 "30 1 0:4 net:[4026532001] /run/netns/blue rw shared:1 - nsfs nsfs rw\n"
		 "31 1 0:4 net:[4026532002] /run/netns/covered rw - nsfs nsfs rw\n"
		 "32 1 0:4 net:[4026532003] /run/netns/deep/er rw - nsfs nsfs rw\n"
		 "33 1 0:4 net:[4026532004] /run/netns/plain rw - nsfs nsfs rw\n"
		 "34 31 0:50 / /run/netns/covered rw - nfs server:/gone rw\n");
	assert_int_equal(procfs_each_netns(place->root, note_visit, &visits), 0);
	assert_int_equal(visits.count, 3);
	assert_string_equal(visits.seen[0], "-");
	assert_string_equal(visits.seen[1], "blue");
	assert_string_equal(visits.seen[2], "-");
	/* A visit may end the search. */
	assert_int_equal(procfs_each_netns(place->root, note_visit, &visits), 0);
	assert_int_equal(visits.count, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_reserved),
		cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
		cmocka_unit_test(test_reuses),
		cmocka_unit_test_setup_teardown(test_namespaces, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("ephemeral", tests, NULL, NULL);
}
