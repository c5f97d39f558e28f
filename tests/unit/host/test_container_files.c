// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The files of each runtime as it writes them, and what others could have put in their place. */
#include <fcntl.h>
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

#include "folder.h"
#include "host/container_files.h"

#define A	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B	 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define UID	 "c0ffee00-1234-5678-9abc-def012345678"
#define DOCKER	 "var/lib/docker/containers/"
#define OVERLAY	 "var/lib/containers/storage/overlay-containers/"
#define SHORT_A	 "aaaaaaaaaaaa"
#define S	 1000000000ULL
#define TOO_LONG 10

static struct container named_by(struct container_files *files, const char *path, uint64_t now_ns)
{
	struct container c;

	container_of_path(&c, path);
	container_files_name(files, &c, now_ns);
	return c;
}

static struct container named(const char *path)
{
	struct container_files *files = container_files_new(folder_root);
	struct container c;

	assert_non_null(files);
	alarm(TOO_LONG);
	c = named_by(files, path, S);
	alarm(0);
	container_files_free(files);
	return c;
}

static void write_docker(const char *id, const char *text)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "mkdir -p " DOCKER "%s && printf '%%s' '%s' > " DOCKER "%s/config.v2.json", id,
		 text, id);
	folder_shell(command);
}

/* ---- Runtimes -------------------------------------------------------------------------------- */

static void test_docker(void **state)
{
	struct container c;

	(void)state;
	write_docker(A,
		     "{\"StreamConfig\":{},\"State\":{\"Name\":\"no\"},\"ID\":\"" A
		     "\",\"Config\":{\"Env\":[\"Name=}\"]},\"Name\":\"/shop\",\"Driver\":\"x\"}");
	c = named("/system.slice/docker-" A ".scope");
	assert_string_equal(c.name, "shop");
	assert_string_equal(container_label(&c), "shop");
	assert_string_equal(c.id, A);
	assert_string_equal(named("/docker/" A).name, "shop");
	assert_string_equal(named("/docker/" B).name, "");
	/* The container is another container's, or a user's. */
	assert_string_equal(named("/docker/" B "/docker/" A).name, "");
	assert_string_equal(
		named("/user.slice/user-7.slice/user@7.service/docker-" A ".scope").name, "");
}

static void test_podman(void **state)
{
	(void)state;
	folder_shell("mkdir -p " OVERLAY " && printf '%s' '[{\"id\":\"" B
		     "\",\"names\":[\"other\"],\"metadata\":\"{\\\"id\\\":1}\"},{\"id\":\"" A
		     "\",\"names\":[\"db\",\"second\"],\"flags\":{\"a\":[]}}]' > " OVERLAY
		     "containers.json");
	assert_string_equal(named("/machine.slice/libpod-" A ".scope/container").name, "db");
	assert_string_equal(named("/machine.slice/libpod-" B ".scope/container").name, "other");
}

static void test_kubernetes(void **state)
{
	struct container c;

	(void)state;
	folder_shell("mkdir -p var/log/pods/shop_web-7c9f-x2_" UID "/nginx var/log/containers"
		     " var/log/pods/default_other_12/x var/log/pods/odd &&"
		     " ln -s /nowhere var/log/containers/web-7c9f-x2_shop_nginx-side-" A ".log &&"
		     " touch var/log/containers/x.log var/log/containers/a_b_c.log");
	c = named("/kubepods/burstable/pod" UID "/" A);
	assert_string_equal(c.name, "nginx-side");
	assert_string_equal(c.pod, "web-7c9f-x2");
	assert_string_equal(c.pod_namespace, "shop");
	/* The container that keeps the pod's namespaces has no name, but the pod has. */
	c = named("/kubepods/burstable/pod" UID "/" B);
	assert_string_equal(container_label(&c), "bbbbbbbbbbbb");
	assert_string_equal(c.pod, "web-7c9f-x2");
	/* Only the node knows the name of a container that runs in it. */
	c = named("/docker/" B "/kubelet/kubepods/pod" UID "/" A);
	assert_string_equal(container_label(&c), SHORT_A);
	assert_string_equal(c.pod, "");
	assert_string_equal(named("/kubepods/pod99/" B).pod, "");
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void test_it_looks_again(void **state)
{
	struct container_files *files = container_files_new(folder_root);

	(void)state;
	assert_string_equal(named_by(files, "/docker/" A, 1 * S).name, "");
	write_docker(A, "{\"ID\":\"" A "\",\"Name\":\"/late\"}");
	assert_string_equal(named_by(files, "/docker/" A, 2 * S).name, "");
	assert_string_equal(named_by(files, "/docker/" A, 3 * S).name, "late");
	write_docker(A, "{\"ID\":\"" A "\",\"Name\":\"/renamed\"}");
	assert_string_equal(named_by(files, "/docker/" A, 62 * S).name, "late");
	assert_string_equal(named_by(files, "/docker/" A, 63 * S).name, "renamed");
	container_files_free(files);
}

/* There are more containers than are remembered. */
static void test_many(void **state)
{
	struct container_files *files = container_files_new(folder_root);
	char path[128];

	(void)state;
	write_docker(A, "{\"ID\":\"" A "\",\"Name\":\"/one\"}");
	for (unsigned int i = 0; i < 10000; i++) {
		snprintf(path, sizeof(path), "/docker/%064x", i);
		assert_string_equal(named_by(files, path, S).name, "");
	}
	assert_string_equal(named_by(files, "/docker/" A, S).name, "one");
	container_files_free(files);
}

/* ---- What others could have prepared --------------------------------------------------------- */

static void test_it_believes_no_file_but_the_runtimes(void **state)
{
	static const char good[] = "{\"ID\":\"" A "\",\"Name\":\"/shop\"}";
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"ID\":\"" B "\",\"Name\":\"/shop\"}",
		"{\"Name\":\"/shop\"}",
		"{\"ID\":\"" A "\",\"Name\":\"shop\"}",
		"{\"ID\":\"" A "\",\"Name\":\"/\"}",
		"{\"ID\":\"" A "\",\"Name\":\"/a b\"}",
		"{\"ID\":\"" A "\",\"Name\":\"/a\\\\u0041\"}",
		"{\"ID\":\"" A "\",\"Name\":[\"/shop\"]}",
		"{\"ID\":\"" A "\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		write_docker(A, bad[i]);
		assert_string_equal(named("/docker/" A).name, "");
	}
	write_docker(A, good);
	assert_string_equal(named("/docker/" A).name, "shop");
	folder_shell("chmod 777 " DOCKER A);
	assert_string_equal(named("/docker/" A).name, "");
	folder_shell("chmod 755 " DOCKER A " && chmod 775 " DOCKER);
	assert_string_equal(named("/docker/" A).name, "");
	folder_shell("chmod 755 " DOCKER);
	assert_string_equal(named("/docker/" A).name, "shop");
}

static void test_links_and_fifos(void **state)
{
	(void)state;
	write_docker(A, "{\"ID\":\"" A "\",\"Name\":\"/shop\"}");
	folder_shell("mv " DOCKER A "/config.v2.json elsewhere &&"
		     " ln -s $PWD/elsewhere " DOCKER A "/config.v2.json");
	assert_string_equal(named("/docker/" A).name, "");
	folder_shell("rm " DOCKER A "/config.v2.json && mkfifo " DOCKER A "/config.v2.json");
	assert_string_equal(named("/docker/" A).name, "");
	folder_shell("rm " DOCKER A "/config.v2.json && mkdir " DOCKER A "/config.v2.json");
	assert_string_equal(named("/docker/" A).name, "");
	folder_shell("rmdir " DOCKER A "/config.v2.json && mv elsewhere " DOCKER A
		     "/config.v2.json &&"
		     " mv " DOCKER A " moved && ln -s $PWD/moved " DOCKER A);
	assert_string_equal(named("/docker/" A).name, "");
	folder_shell("rm " DOCKER A " && mv moved " DOCKER A);
	assert_string_equal(named("/docker/" A).name, "shop");
	/* A system folder that was moved is followed, except for logs, where groups may write. */
	folder_shell("mv var/lib/docker data && ln -s $PWD/data var/lib/docker");
	assert_string_equal(named("/docker/" A).name, "shop");
	folder_shell("mkdir -p var/log forged/shop_web_12 && ln -s $PWD/forged var/log/pods");
	assert_string_equal(named("/kubepods/pod12/" A).pod, "");
}

static void test_size_is_bounded(void **state)
{
	(void)state;
	write_docker(A, "{\"ID\":\"" A "\",\"Name\":\"/shop\"}");
	folder_shell("truncate -s 100M " DOCKER A "/config.v2.json");
	assert_string_equal(named("/docker/" A).name, "");
}

static void test_there_is_no_runtime(void **state)
{
	struct container c;

	(void)state;
	c = named("/docker/" A);
	assert_string_equal(container_label(&c), SHORT_A);
	container_files_name(NULL, &c, S);
	assert_string_equal(container_label(&c), SHORT_A);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_docker),
		TEST(test_podman),
		TEST(test_kubernetes),
		TEST(test_it_looks_again),
		TEST(test_many),
		TEST(test_it_believes_no_file_but_the_runtimes),
		TEST(test_links_and_fifos),
		TEST(test_size_is_bounded),
		TEST(test_there_is_no_runtime),
	};

	return cmocka_run_group_tests_name("container_files", tests, NULL, NULL);
}
