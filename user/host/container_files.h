/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Finds the names of containers and pods in the files that their runtimes keep, without asking a
 * daemon:
 *
 *	/var/log/pods/NAMESPACE_POD_UID		Kubernetes: the names of these
 *	/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log
 *	/var/lib/docker/containers/ID/config.v2.json
 *	/var/lib/containers/storage/DRIVER-containers/containers.json	Podman
 *
 * Folders must have the same owner as `/`, and nobody else may write to them. Files must be regular
 * and no links, and are read up to a bound. Homes are not searched, so a user's own containers have
 * no name here. A container in another one has no name either, because only the runtime in that one
 * knows it.
 *
 * A name that was found is looked up again after a minute, because containers may be renamed. If
 * none was found, it is looked up again after two seconds, then after four, and so on up to a
 * minute. Memory is bounded. One thread at a time.
 */
#ifndef TCPDWELL_CONTAINER_FILES_H
#define TCPDWELL_CONTAINER_FILES_H

#include <stdint.h>

#include "host/container.h"

struct container_files;

/* @root stands for `/`, "" for the real one. Returns NULL with errno set. The caller frees it. */
struct container_files *container_files_new(const char *root);

/* NULL-safe. */
void container_files_free(struct container_files *files);

/*
 * Adds the names of @container, which container_of_path() has filled, as far as they are known at
 * @now_ns, any monotonic time. @files may be NULL: no names are added then.
 */
void container_files_name(struct container_files *files, struct container *container,
			  uint64_t now_ns);

#endif /* TCPDWELL_CONTAINER_FILES_H */
