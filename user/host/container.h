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

/* NAME_MAX and the NUL: each of these is one component of a path, or a part of one. */
#define CONTAINER_TEXT_BYTES 256

/* Empty: there is none, or it is not known. */
struct container {
	/* The host's innermost unit: around the outermost container, or that container's own. */
	char unit[CONTAINER_TEXT_BYTES];
	char id[CONTAINER_TEXT_BYTES];	 /* 64 hexadecimal digits; of ECS also another kind */
	char name[CONTAINER_TEXT_BYTES]; /* of LXC's and systemd-nspawn's, which have no id */
	/* The innermost unit of a service manager inside of the container. */
	char inner_unit[CONTAINER_TEXT_BYTES];
	char pod_uid[CONTAINER_TEXT_BYTES]; /* of Kubernetes */
};

/* Reads @path, as it stands in /proc/PID/cgroup. */
void container_of_path(struct container *container, const char *path);

/*
 * Reads the text of /proc/PID/cgroup. Where hierarchies differ, as on hosts that have both versions
 * (systemd calls it hybrid), the one counts that leads into a container; without one, version 2
 * before systemd's own of version 1.
 */
void container_of_text(struct container *container, const char *text);

/* What the container is called: its id, else its name; "" for none. */
const char *container_label(const struct container *container);

#endif /* TCPDWELL_CONTAINER_H */
