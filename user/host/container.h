/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Says which unit, container and pod a cgroup path means. Pure: paths follow conventions of systemd
 * and of the runtimes, and only their text is looked at. Any thread.
 *
 * The innermost container counts. Known runtimes are Docker (also rootless, and ECS), what
 * containerd and CRI-O start for Kubernetes with either driver, Podman (also rootless), LXC, LXD
 * and systemd-nspawn. Helpers that stay outside of a container (conmon, lxc.monitor, nspawn's
 * supervisor) belong to none.
 */
#ifndef TCPDWELL_CONTAINER_H
#define TCPDWELL_CONTAINER_H

#include <stdint.h>

/* NAME_MAX and the NUL: each text is one component of a path, or a part of one. */
#define CONTAINER_TEXT_BYTES 256

/* Room for twelve digits, or, for ECS, for a task's 32 digits and a number. */
#define CONTAINER_SHORT_BYTES 64

/* Texts are empty if there is no such thing, or if it is not known. */
struct container {
	/*
	 * The host's innermost unit: the one around the outermost container, or that container's
	 * own.
	 */
	char unit[CONTAINER_TEXT_BYTES];
	char id[CONTAINER_TEXT_BYTES]; /* 64 hexadecimal digits; ECS has another kind, too */
	/*
	 * The name of a container of LXC or systemd-nspawn, which has no id. For others see
	 * container_files.h.
	 */
	char name[CONTAINER_TEXT_BYTES];
	char short_id[CONTAINER_SHORT_BYTES]; /* the part of the id that runtimes print */
	/* The innermost unit of a service manager that runs inside of the container. */
	char inner_unit[CONTAINER_TEXT_BYTES];
	char pod_uid[CONTAINER_TEXT_BYTES]; /* for Kubernetes */
	/* Filled by container_files.h alone. */
	char pod[CONTAINER_TEXT_BYTES];
	char pod_namespace[CONTAINER_TEXT_BYTES];
	/*
	 * The container runs in another container, or a user, who may choose any name, has made its
	 * cgroup. What the host's runtimes say of that id is not about this container.
	 */
	uint8_t foreign; /* 1 or 0 */
};

/* Texts by which people know a container, in the order in which rows have them. */
enum container_text {
	CONTAINER_UNIT,
	CONTAINER_LABEL, /* the container's name, or its short id */
	CONTAINER_ID,
	CONTAINER_POD,
	CONTAINER_POD_NAMESPACE,
	CONTAINER_TEXTS,
};

/* The names of the texts: "unit", "container", "container_id", "pod", "pod_namespace". */
extern const char *const container_text_names[CONTAINER_TEXTS];

/* Reads @path, in the form of /proc/PID/cgroup. */
void container_of_path(struct container *container, const char *path);

/*
 * Reads the text of /proc/PID/cgroup. Hierarchies may differ on hosts that have both versions
 * (systemd calls that hybrid). The one that leads into a container counts. If none does, it is
 * version 2, and after that systemd's own hierarchy of version 1.
 */
void container_of_text(struct container *container, const char *text);

/* Returns what the container is called: its name, or else its short id, or "" for none. */
const char *container_label(const struct container *container);

/* Sets @texts to what is known, and the others to NULL. They point into @container. */
void container_texts(const struct container *container, const char *texts[CONTAINER_TEXTS]);

#endif /* TCPDWELL_CONTAINER_H */
