/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which unit, container and pod a cgroup path means. Pure: paths are conventions of systemd and of
 * the runtimes, and nothing but text is looked at. Any thread.
 *
 * The innermost container counts. Runtimes that are known: Docker (also rootless, and ECS), what
 * containerd and CRI-O start for Kubernetes with either driver, Podman (also rootless), LXC, LXD
 * and systemd-nspawn. Helpers that stay outside (conmon, lxc.monitor, nspawn's supervisor) are in
 * none.
 */
#ifndef TCPDWELL_CONTAINER_H
#define TCPDWELL_CONTAINER_H

#include <stdint.h>

/* NAME_MAX and the NUL: each of these is one component of a path, or a part of one. */
#define CONTAINER_TEXT_BYTES 256

/* Twelve digits; of ECS a task's 32 and a number. */
#define CONTAINER_SHORT_BYTES 64

/* Empty: there is none, or it is not known. */
struct container {
	/* The host's innermost unit: around the outermost container, or that container's own. */
	char unit[CONTAINER_TEXT_BYTES];
	char id[CONTAINER_TEXT_BYTES]; /* 64 hexadecimal digits; of ECS also another kind */
	/* Of LXC's and systemd-nspawn's, which have no id; of others see container_files.h. */
	char name[CONTAINER_TEXT_BYTES];
	char short_id[CONTAINER_SHORT_BYTES]; /* what the runtimes print of the id */
	/* The innermost unit of a service manager inside of the container. */
	char inner_unit[CONTAINER_TEXT_BYTES];
	char pod_uid[CONTAINER_TEXT_BYTES]; /* of Kubernetes */
	/* By container_files.h alone. */
	char pod[CONTAINER_TEXT_BYTES];
	char pod_namespace[CONTAINER_TEXT_BYTES];
	/*
	 * It runs in another container, or a user has made its cgroup, who may give it any name:
	 * what the host's runtimes say of that id is not about it.
	 */
	uint8_t foreign; /* 1, else 0 */
};

/* What people know of it, in the order in which rows have it. */
enum container_text {
	CONTAINER_UNIT,
	CONTAINER_LABEL, /* its name, or the short id */
	CONTAINER_ID,
	CONTAINER_POD,
	CONTAINER_POD_NAMESPACE,
	CONTAINER_TEXTS,
};

/* "unit", "container", "container_id", "pod", "pod_namespace". */
extern const char *const container_text_names[CONTAINER_TEXTS];

/* Reads @path, as it stands in /proc/PID/cgroup. */
void container_of_path(struct container *container, const char *path);

/*
 * Reads the text of /proc/PID/cgroup. Where hierarchies differ, as on hosts that have both versions
 * (systemd calls it hybrid), the one counts that leads into a container; without one, version 2
 * before systemd's own of version 1.
 */
void container_of_text(struct container *container, const char *text);

/* What the container is called: its name, else its short id; "" for none. */
const char *container_label(const struct container *container);

/* Sets @texts to what is known, NULL for the rest. They point into @container. */
void container_texts(const struct container *container, const char *texts[CONTAINER_TEXTS]);

#endif /* TCPDWELL_CONTAINER_H */
