/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What containers and pods are called, from the files that their runtimes keep, without a word to a
 * daemon:
 *
 *	/var/log/pods/NAMESPACE_POD_UID		Kubernetes: the names of these
 *	/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log
 *	/var/lib/docker/containers/ID/config.v2.json
 *	/var/lib/containers/storage/DRIVER-containers/containers.json	Podman
 *
 * Folders must belong to who `/` belongs to, and be nobody else's to write; files are regular, no
 * links, and read up to a bound. Homes are not looked into: a user's own containers have no name
 * here. A container in another one has none, either: it is that one's runtime that knows it.
 *
 * What was found is remembered and looked up again after a minute, as containers may be renamed;
 * what was not found after two seconds, then after four, up to a minute. Memory is bounded. One
 * thread at a time.
 */
#ifndef TCPDWELL_CONTAINER_FILES_H
#define TCPDWELL_CONTAINER_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "host/container.h"

struct container_files;

/* @root stands for `/`, "" for the real one. Returns NULL with errno set. The caller frees it. */
struct container_files *container_files_new(const char *root);

/* NULL-safe. */
void container_files_free(struct container_files *files);

/*
 * Adds the names of @container, which container_of_path() has filled, as far as they are known at
 * @now_ns, any monotonic time. @files may be NULL: then none are.
 */
void container_files_name(struct container_files *files, struct container *container,
			  uint64_t now_ns);

/* Whether there is a runtime on this host whose files are not for everybody to read. */
bool container_files_are_private(const char *root);

#endif /* TCPDWELL_CONTAINER_FILES_H */
