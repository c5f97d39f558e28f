// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE /* O_PATH */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fnv.h"
#include "base/json_read.h"
#include "host/container_files.h"
#include "host/untrusted.h"

#define PODS	   "var/log/pods"
#define CONTAINERS "var/log/containers"
#define DOCKER	   "var/lib/docker/containers"
#define PODMAN	   "var/lib/containers/storage"

#define ID_DIGITS 64

/* Docker's file has all settings of one container. Podman's has all containers, with 1 KiB each. */
#define FILE_MAX_BYTES (8U << 20)

/* More entries than a folder of the kubelet has. Entries after these are not looked at. */
#define ENTRIES_MAX 65536

/* How many containers are remembered, with some 400 bytes each. Beyond that all are forgotten. */
#define KNOWN_MAX 4096
#define SLOTS	  (2 * KNOWN_MAX)

#define AGAIN_NS 2000000000ULL
#define LATER_NS 60000000000ULL

struct known {
	uint64_t due_ns; /* when it is looked up again */
	uint64_t wait_ns;
	char *name, *pod, *pod_namespace; /* NULL: not found */
	char key[];			  /* POD-UID/ID */
};

struct container_files {
	int root; /* the folder that stands for `/` */
	uid_t owner;
	size_t count;
	struct known *known[SLOTS];
};

/* ---- Names ----------------------------------------------------------------------------------- */

/* Returns true for a name that Docker and Podman allow. Kubernetes allows fewer. */
static bool is_name(const char *at, size_t len)
{
	if (!len || len >= CONTAINER_TEXT_BYTES)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)at[i]) && !memchr("_.-", at[i], 3))
			return false;
	return true;
}

static void set(char **text, const char *at, size_t len)
{
	if (!*text && is_name(at, len))
		*text = strndup(at, len);
}

/* ---- Folders and files ----------------------------------------------------------------------- */

/* Returns true if nobody but the owner of the root may have prepared what is in the folder. */
static bool is_trusted(const struct container_files *files, int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == files->owner && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Opens a folder. The last name of @path may be no link. Returns a descriptor or -1. */
static int open_folder(const struct container_files *files, int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || is_trusted(files, fd))
		return fd;
	close(fd);
	return -1;
}

/*
 * Reads the whole file. Returns its text, which the caller frees, or NULL if it cannot be read or
 * is too large.
 */
static char *read_all(int fd, size_t *len)
{
	struct stat st;
	ssize_t count;
	char *text;

	*len = 0;
	if (fstat(fd, &st) || st.st_size <= 0 || st.st_size > FILE_MAX_BYTES)
		return NULL;
	text = malloc(st.st_size);
	while (text && *len < (size_t)st.st_size) {
		count = read(fd, text + *len, st.st_size - *len);
		if (count <= 0)
			break;
		*len += count;
	}
	return text;
}

static char *read_file(int folder, const char *name, size_t *len)
{
	int fd = untrusted_open_in(folder, name);
	char *text;

	if (fd < 0)
		return NULL;
	text = read_all(fd, len);
	close(fd);
	return text;
}

/* Returns true to go on. */
typedef bool visit_entry(struct known *known, const char *name, const struct container *container);

static void each_entry(const struct container_files *files, const char *path, visit_entry *visit,
		       struct known *known, const struct container *container)
{
	int fd = open_folder(files, files->root, path);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (unsigned int i = 0; i < ENTRIES_MAX && (entry = readdir(dir)); i++)
		if (!visit(known, entry->d_name, container))
			break;
	closedir(dir);
}

/* ---- Kubernetes ------------------------------------------------------------------------------ */

/* Reads a name of the form NAMESPACE_POD_UID. None of the three has an underscore. */
static bool read_pod(struct known *known, const char *name, const struct container *container)
{
	const char *pod = strchr(name, '_'), *uid = pod ? strchr(pod + 1, '_') : NULL;

	if (!uid || strcmp(uid + 1, container->pod_uid))
		return true;
	set(&known->pod, pod + 1, uid - (pod + 1));
	set(&known->pod_namespace, name, pod - name);
	return false;
}

/* Reads a name of the form POD_NAMESPACE_CONTAINER-ID.log. */
static bool read_log(struct known *known, const char *name, const struct container *container)
{
	size_t len = strlen(name), tail = strlen("-") + ID_DIGITS + strlen(".log");
	const char *of_namespace = strchr(name, '_');
	const char *own = of_namespace ? strchr(of_namespace + 1, '_') : NULL;
	const char *id = name + len - tail + 1;

	if (len <= tail || !own || own >= id - 1 || id[-1] != '-' ||
	    memcmp(id, container->id, ID_DIGITS) || strcmp(id + ID_DIGITS, ".log"))
		return true;
	set(&known->name, own + 1, id - 1 - (own + 1));
	set(&known->pod, name, of_namespace - name);
	set(&known->pod_namespace, of_namespace + 1, own - (of_namespace + 1));
	return false;
}

/* ---- Docker ---------------------------------------------------------------------------------- */

static void read_docker_text(struct known *known, const char *text, size_t len,
			     const struct container *container)
{
	struct json_read json = { text, text + len };
	struct json_string member, id = { 0 }, name = { 0 };

	while (json_member(&json, &member)) {
		if (json_is(&member, "ID"))
			json_string(&json, &id);
		else if (json_is(&member, "Name"))
			json_string(&json, &name);
		else
			json_skip(&json);
	}
	/* In this file a name begins with a slash. */
	if (json_is(&id, container->id) && name.len > 1 && name.at[0] == '/')
		set(&known->name, name.at + 1, name.len - 1);
}

static void read_docker(const struct container_files *files, struct known *known,
			const struct container *container)
{
	int folder = open_folder(files, files->root, DOCKER), own;
	size_t len;
	char *text;

	if (folder < 0)
		return;
	own = open_folder(files, folder, container->id);
	close(folder);
	if (own < 0)
		return;
	text = read_file(own, "config.v2.json", &len);
	close(own);
	if (text)
		read_docker_text(known, text, len, container);
	free(text);
}

/* ---- Podman ---------------------------------------------------------------------------------- */

/* Reads one container of containers.json, which begins here. It may have several names. */
static bool read_stored(struct json_read *json, struct known *known,
			const struct container *container)
{
	struct json_string member, id = { 0 }, name = { 0 }, further;

	while (json_member(json, &member)) {
		if (json_is(&member, "id")) {
			json_string(json, &id);
		} else if (json_is(&member, "names")) {
			while (json_item(json))
				json_string(json, name.at ? &further : &name);
		} else {
			json_skip(json);
		}
	}
	if (!json_is(&id, container->id))
		return true;
	if (name.at)
		set(&known->name, name.at, name.len);
	return false;
}

static void read_podman(const struct container_files *files, struct known *known,
			const struct container *container)
{
	static const char *const drivers[] = { "overlay", "vfs", "btrfs", "zfs" };
	char path[sizeof(PODMAN) + 32];

	for (unsigned int i = 0; i < sizeof(drivers) / sizeof(*drivers) && !known->name; i++) {
		int folder;
		size_t len;
		char *text;

		snprintf(path, sizeof(path), PODMAN "/%s-containers", drivers[i]);
		folder = open_folder(files, files->root, path);
		if (folder < 0)
			continue;
		text = read_file(folder, "containers.json", &len);
		close(folder);
		if (text) {
			struct json_read json = { text, text + len };

			while (json_item(&json) && read_stored(&json, known, container))
				;
		}
		free(text);
	}
}

/* ---- What is known --------------------------------------------------------------------------- */

static void look_up(const struct container_files *files, struct known *known,
		    const struct container *container)
{
	bool has_id = strlen(container->id) == ID_DIGITS;

	if (container->pod_uid[0]) {
		each_entry(files, PODS, read_pod, known, container);
		if (has_id)
			each_entry(files, CONTAINERS, read_log, known, container);
	} else if (has_id) {
		read_docker(files, known, container);
		if (!known->name)
			read_podman(files, known, container);
	}
}

static void forget_names(struct known *known)
{
	free(known->name);
	free(known->pod);
	free(known->pod_namespace);
	known->name = known->pod = known->pod_namespace = NULL;
}

static void forget_all(struct container_files *files)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (!files->known[i])
			continue;
		forget_names(files->known[i]);
		free(files->known[i]);
		files->known[i] = NULL;
	}
	files->count = 0;
}

/* Returns the slot of @key, or the free one that it would have. Half of all slots are free. */
static struct known **slot_of(struct container_files *files, const char *key)
{
	uint32_t hash = fnv32(FNV32_BEGIN, key, strlen(key));

	while (files->known[hash % SLOTS] && strcmp(files->known[hash % SLOTS]->key, key))
		hash++;
	return &files->known[hash % SLOTS];
}

/* Returns what is known of the container, or NULL if there is no memory. */
static struct known *find(struct container_files *files, const struct container *container)
{
	char key[2 * CONTAINER_TEXT_BYTES];
	struct known **slot;

	snprintf(key, sizeof(key), "%s/%s", container->pod_uid, container->id);
	slot = slot_of(files, key);
	if (*slot)
		return *slot;
	if (files->count == KNOWN_MAX) {
		forget_all(files);
		slot = slot_of(files, key);
	}
	*slot = calloc(1, sizeof(**slot) + strlen(key) + 1);
	if (!*slot)
		return NULL;
	strcpy((*slot)->key, key);
	files->count++;
	return *slot;
}

static bool is_complete(const struct known *known, const struct container *container)
{
	return (!container->id[0] || known->name) && (!container->pod_uid[0] || known->pod);
}

void container_files_name(struct container_files *files, struct container *container,
			  uint64_t now_ns)
{
	struct known *known;

	if (!files || container->foreign || (!container->id[0] && !container->pod_uid[0]))
		return;
	known = find(files, container);
	if (!known)
		return;
	if (now_ns >= known->due_ns) {
		forget_names(known);
		look_up(files, known, container);
		known->wait_ns = known->wait_ns ? 2 * known->wait_ns : AGAIN_NS;
		if (known->wait_ns > LATER_NS || is_complete(known, container))
			known->wait_ns = LATER_NS;
		known->due_ns = now_ns + known->wait_ns;
	}
	if (known->name)
		strcpy(container->name, known->name);
	if (known->pod)
		strcpy(container->pod, known->pod);
	if (known->pod_namespace)
		strcpy(container->pod_namespace, known->pod_namespace);
}

struct container_files *container_files_new(const char *root)
{
	struct container_files *files = calloc(1, sizeof(*files));
	struct stat st;

	if (!files)
		return NULL;
	files->root = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (files->root >= 0 && !fstat(files->root, &st)) {
		files->owner = st.st_uid;
		return files;
	}
	container_files_free(files);
	return NULL;
}

void container_files_free(struct container_files *files)
{
	int err = errno;

	if (!files)
		return;
	forget_all(files);
	if (files->root >= 0)
		close(files->root);
	free(files);
	errno = err;
}
