// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Paths from the runtimes' documents, and paths that only look like a container's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "host/container.h"

#define A	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B	  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define T	  "0123456789abcdef0123456789abcdef"
#define UID_SLICE "kubepods-burstable-podc0ffee00_1234_5678_9abc_def012345678.slice"
#define POD	  "c0ffee00-1234-5678-9abc-def012345678"

struct path {
	const char *path;
	const char *unit;
	const char *label;
	const char *inner_unit;
	const char *pod_uid;
};

static const struct path paths[] = {
	{ "/", "", "", "", "" },
	{ "", "", "", "", "" },
	{ "/system.slice/nginx.service", "nginx.service", "", "", "" },
	{ "/user.slice/user-0.slice/session-3.scope", "session-3.scope", "", "", "" },
	/* Docker */
	{ "/docker/" A, "", A, "", "" },
	{ "/system.slice/docker-" A ".scope", "docker-" A ".scope", A, "", "" },
	{ "/docker/" A "/system.slice/nginx.service", "", A, "nginx.service", "" },
	{ "/docker/" A "/docker/" B, "", B, "", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" A ".scope",
	  "docker-" A ".scope", A, "", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/docker.service/" A,
	  "docker.service", A, "", "" },
	/* containerd without Kubernetes: nerdctl, and ctr in its namespace */
	{ "/system.slice/nerdctl-" A ".scope", "nerdctl-" A ".scope", A, "", "" },
	{ "/default/" A, "", A, "", "" },
	/* Kubernetes */
	{ "/kubepods/besteffort/pod" POD "/crio-" A, "", A, "", POD },
	{ "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod12.slice/docker-" A
	  ".scope",
	  "docker-" A ".scope", A, "", "12" },
	/* Cgroups above a pod's containers, and beside them. */
	{ "/kubepods.slice/kubepods-burstable.slice/" UID_SLICE, "", "", "", POD },
	{ "/kubepods/burstable/pod" POD "/" A, "", A, "", POD },
	{ "/kubepods/pod" POD "/" A, "", A, "", POD },
	{ "/kubepods.slice/kubepods-burstable.slice/" UID_SLICE "/cri-containerd-" A ".scope",
	  "cri-containerd-" A ".scope", A, "", POD },
	{ "/kubepods.slice/kubepods-pod12.slice/crio-" A ".scope/container", "crio-" A ".scope", A,
	  "", "12" },
	{ "/kubepods.slice/kubepods-pod12.slice/crio-conmon-" A ".scope", "crio-conmon-" A ".scope",
	  "", "", "12" },
	{ "/system.slice/containerd.service/kubepods-burstable-pod12.slice:cri-containerd:" A,
	  "containerd.service", A, "", "12" },
	/* kind: a node in Docker, a pod in the node. */
	{ "/system.slice/docker-" B ".scope/kubelet.slice/kubelet-kubepods.slice/"
	  "kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod7_8.slice/"
	  "cri-containerd-" A ".scope",
	  "docker-" B ".scope", A, "", "7-8" },
	{ "/docker/" B "/kubelet/kubepods/besteffort/pod12/" A, "", A, "", "12" },
	{ "/system.slice/docker-" B ".scope/kubelet.slice/kubelet.service", "docker-" B ".scope", B,
	  "kubelet.service", "" },
	/* Podman */
	{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A ".scope/container",
	  "libpod-" A ".scope", A, "", "" },
	{ "/machine.slice/libpod-" A ".scope/container/system.slice/nginx.service",
	  "libpod-" A ".scope", A, "nginx.service", "" },
	{ "/system.slice/app.service/libpod-payload-" A, "app.service", A, "", "" },
	{ "/machine.slice/libpod-" A ".scope/container", "libpod-" A ".scope", A, "", "" },
	{ "/machine.slice/libpod-conmon-" A ".scope", "libpod-conmon-" A ".scope", "", "", "" },
	{ "/machine.slice/machine-libpod_pod_" B ".slice/libpod-" A ".scope", "libpod-" A ".scope",
	  A, "", "" },
	{ "/user.slice/user@1000.service/app.slice/run-u1.service/libpod-payload-" A,
	  "run-u1.service", A, "", "" },
	{ "/libpod_parent/libpod-" A, "", A, "", "" },
	/* LXC, LXD */
	{ "/lxc.payload.web1/system.slice/nginx.service", "", "web1", "nginx.service", "" },
	{ "/lxc/web1/init.scope", "", "web1", "init.scope", "" },
	{ "/lxc.monitor.web1", "", "", "", "" },
	{ "/lxc.payload.web1/system.slice/docker-" A ".scope", "", A, "", "" },
	{ "/lxc/web1/docker/" A, "", A, "", "" },
	{ "/lxc.payload.web1/docker/" A, "", A, "", "" },
	{ "/lxc.payload.user-1001_web1/init.scope", "", "user-1001_web1", "init.scope", "" },
	{ "/system.slice/docker-" A ".scope/lxc.payload.web1", "docker-" A ".scope", "web1", "",
	  "" },
	/* systemd-nspawn, and machines */
	{ "/machine.slice/systemd-nspawn@web1.service/payload", "systemd-nspawn@web1.service",
	  "web1", "", "" },
	{ "/machine.slice/systemd-nspawn@a\\x2db.service/payload/system.slice/x.service",
	  "systemd-nspawn@a\\x2db.service", "a-b", "x.service", "" },
	{ "/machine.slice/systemd-nspawn@web1.service/supervisor", "systemd-nspawn@web1.service",
	  "", "", "" },
	{ "/machine.slice/machine-web1.scope/payload/system.slice/x.service", "machine-web1.scope",
	  "web1", "x.service", "" },
	/* Names that are empty, or that a NUL would make empty. */
	{ "/machine.slice/machine-.scope", "machine-.scope", "", "", "" },
	{ "/machine.slice/systemd-nspawn@.service/payload", "systemd-nspawn@.service", "", "", "" },
	{ "/machine.slice/machine-\\x00a.scope", "machine-\\x00a.scope", "\\x00a", "", "" },
	{ "/machine.slice/machine-web\\x2d1.scope", "machine-web\\x2d1.scope", "web-1", "", "" },
	{ "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "machine-qemu\\x2d1\\x2dvm.scope", "",
	  "", "" },
	/* ECS */
	{ "/ecstasks.slice/ecstasks-" T ".slice/docker-" A ".scope", "docker-" A ".scope", A, "",
	  "" },
	{ "/ecs/" T "/" A, "", A, "", "" },
	{ "/ecs/" T "/" T "-1234567890", "", T "-1234567890", "", "" },
	{ "/ecs/" T "/" T "-", "", "", "", "" },
	/* These are not ids. */
	{ "/" A "b", "", "", "", "" },
	{ "/machine.slice/machine-libpod_pod_" B ".slice", "", "", "", "" },
	{ "/podium/pods-podx", "", "", "", "" },
	{ "/../../system.slice/x.service", "x.service", "", "", "" },
};

static void assert_container(const struct container *c, const struct path *want)
{
	print_message("%s\n", want->path);
	assert_string_equal(c->unit, want->unit);
	assert_string_equal(c->id[0] ? c->id : c->name, want->label);
	assert_string_equal(c->inner_unit, want->inner_unit);
	assert_string_equal(c->pod_uid, want->pod_uid);
}

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct container c;

		container_of_path(&c, paths[i].path);
		assert_container(&c, &paths[i]);
	}
}

/* Texts of /proc/PID/cgroup, and their meaning. */
static const struct path texts[] = {
	{ "0::/system.slice/x.service\n", "x.service", "", "", "" },
	/* Hybrid: Docker's v2 cgroup is that of its shim. */
	{ "9:memory:/docker/" A "\n1:name=systemd:/docker/" A "\n"
	  "0::/system.slice/containerd.service\n",
	  "", A, "", "" },
	/* Version 1 alone, without and with a process of systemd. */
	{ "4:cpu,cpuacct:/docker/" A "\n1:name=systemd:/\n", "", A, "", "" },
	{ "4:cpu:/\n1:name=systemd:/system.slice/x.service\n", "x.service", "", "", "" },
	{ "1:name=systemd:/system.slice/old.service\n0::/system.slice/new.service", "new.service",
	  "", "", "" },
	{ "11:memory:/kubepods/burstable/pod" POD "/" A "\n"
	  "1:name=systemd:/kubepods/burstable/pod" POD "/" A "\n0::/system.slice/kubelet.service\n",
	  "", A, "", POD },
	{ "5:cpu:/machine.slice/machine-web1.scope\n"
	  "1:name=systemd:/machine.slice/machine-web1.scope/system.slice/x.service\n",
	  "machine-web1.scope", "web1", "x.service", "" },
	{ "0::/../:odd\nnonsense\n:\n7:name\n", "", "", "", "" },
	{ "3:pids:/kubepods/pod:12/" A "\n", "", A, "", ":12" },
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct container c;

		container_of_text(&c, texts[i].path);
		assert_container(&c, &texts[i]);
	}
}

/* Paths of containers that the host's own runtimes do not know. */
static void test_foreign(void **state)
{
	static const struct {
		const char *path;
		uint8_t foreign;
	} cases[] = {
		{ "/docker/" A, 0 },
		{ "/docker/" A "/docker/" B, 1 },
		{ "/docker/" A "/docker/" A, 0 },
		{ "/machine.slice/libpod-" A ".scope/container/libpod-payload-" A, 0 },
		{ "/lxc.payload.web1/docker/" A, 1 },
		{ "/kubepods/pod12/" A, 0 },
		{ "/docker/" B "/kubelet/kubepods/pod12/" A, 1 },
		{ "/system.slice/docker-" A ".scope/lxc.payload.web1", 1 },
		{ "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" A ".scope",
		  1 },
		{ "/user.slice/user-1000.slice/docker-" A ".scope", 1 },
		{ "/user.slice/user-0.slice/session-1.scope/libpod-payload-" A, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct container c;

		print_message("%s\n", cases[i].path);
		container_of_path(&c, cases[i].path);
		assert_int_equal(c.foreign, cases[i].foreign);
	}
}

static void test_texts_for_people(void **state)
{
	const char *texts[CONTAINER_TEXTS];
	struct container c;

	(void)state;
	container_of_path(&c, "/docker/" A);
	container_texts(&c, texts);
	assert_null(texts[CONTAINER_UNIT]);
	assert_string_equal(texts[CONTAINER_LABEL], "aaaaaaaaaaaa");
	assert_string_equal(texts[CONTAINER_ID], A);
	assert_null(texts[CONTAINER_POD]);
	strcpy(c.name, "shop");
	container_texts(&c, texts);
	assert_string_equal(texts[CONTAINER_LABEL], "shop");
	/* Twelve digits of these are the task's. */
	container_of_path(&c, "/ecs/" T "/" T "-1234567890");
	assert_string_equal(container_label(&c), T "-1234567890");
	container_of_path(&c, "/system.slice/nginx.service");
	container_texts(&c, texts);
	assert_string_equal(texts[CONTAINER_UNIT], "nginx.service");
	assert_null(texts[CONTAINER_LABEL]);
	assert_null(texts[CONTAINER_ID]);
}

/* A component may be as long as a file's name; longer ones are cut. */
static void test_long(void **state)
{
	char path[1024] = "/lxc.payload.";
	struct container c;

	(void)state;
	memset(path + strlen(path), 'n', sizeof(path) - strlen(path) - 1);
	path[sizeof(path) - 1] = '\0';
	container_of_path(&c, path);
	assert_int_equal(strlen(c.name), CONTAINER_TEXT_BYTES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),	cmocka_unit_test(test_texts),
		cmocka_unit_test(test_foreign), cmocka_unit_test(test_texts_for_people),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
