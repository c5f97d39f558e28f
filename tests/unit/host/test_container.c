// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Paths as the runtimes' documents have them, and what is no container though it looks like one. */
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
	/* Kubernetes */
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
	/* Podman */
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
	{ "/system.slice/docker-" A ".scope/lxc.payload.web1", "docker-" A ".scope", "web1", "",
	  "" },
	/* systemd-nspawn, and machines */
	{ "/machine.slice/systemd-nspawn@web1.service/payload", "systemd-nspawn@web1.service",
	  "web1", "", "" },
	{ "/machine.slice/systemd-nspawn@a\\x2db.service/payload/system.slice/x.service",
	  "systemd-nspawn@a\\x2db.service", "a-b", "x.service", "" },
	{ "/machine.slice/systemd-nspawn@web1.service/supervisor", "systemd-nspawn@web1.service",
	  "", "", "" },
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
	/* What is no id */
	{ "/" A "b", "", "", "", "" },
	{ "/machine.slice/machine-libpod_pod_" B ".slice", "", "", "", "" },
	{ "/podium/pods-podx", "", "", "", "" },
	{ "/../../system.slice/x.service", "x.service", "", "", "" },
};

static void assert_container(const struct container *c, const struct path *want)
{
	print_message("%s\n", want->path);
	assert_string_equal(c->unit, want->unit);
	assert_string_equal(container_label(c), want->label);
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

/* The text of /proc/PID/cgroup, and what it means. */
static const struct path texts[] = {
	{ "0::/system.slice/x.service\n", "x.service", "", "", "" },
	/* Hybrid: Docker's v2 cgroup is that of its shim. */
	{ "9:memory:/docker/" A "\n1:name=systemd:/docker/" A "\n"
	  "0::/system.slice/containerd.service\n",
	  "", A, "", "" },
	/* Version 1 alone, without and with a process of systemd's. */
	{ "4:cpu,cpuacct:/docker/" A "\n1:name=systemd:/\n", "", A, "", "" },
	{ "4:cpu:/\n1:name=systemd:/system.slice/x.service\n", "x.service", "", "", "" },
	{ "1:name=systemd:/system.slice/old.service\n0::/system.slice/new.service", "new.service",
	  "", "", "" },
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
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
