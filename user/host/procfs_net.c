// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/procfs.h"
#include "host/procfs_net.h"
#include "host/untrusted.h"

char *procfs_take_line(FILE *file)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int err;

	if (!file)
		return NULL;
	len = getline(&line, &room, file);
	err = ferror(file) ? errno : ENODATA; /* the end of the file sets no errno */
	fclose(file);
	if (len < 0) {
		free(line);
		errno = err;
		return NULL;
	}
	line[strcspn(line, "\n")] = '\0';
	return line;
}

char *procfs_net_setting(const char *root, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/proc/sys/net/ipv4/%s", root, name);
	return procfs_take_line(fopen(path, "re"));
}

struct walk {
	const char *root;
	procfs_netns_visit *visit;
	void *context;
	int err; /* why not all of them can be visited */
};

/* Returns true if a limit of this process or of the host is the reason, not the file. */
static bool is_limit(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM;
}

static bool visit_path(struct walk *walk, const char *name, uint32_t pid, const char *path)
{
	int fd = untrusted_open_netns(path);
	bool go_on;

	if (fd < 0) {
		walk->err = is_limit(fd) ? fd : 0;
		return !walk->err;
	}
	go_on = walk->visit(walk->context, name, pid, fd);
	close(fd);
	return go_on;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/*
 * Where ip-netns(8) mounts namespaces. mountinfo says /run even where the path is /var/run, which
 * is a link to it.
 */
#define NAMES_FOLDER "/run/netns/"

struct name {
	char *name;
	uint32_t inode;
};

struct names {
	struct name *list;
	size_t count;
	size_t room;
};

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].name);
	free(names->list);
}

/* Adds a name. Without memory the name is skipped. */
static void names_add(struct names *names, const char *name, uint32_t inode)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		struct name *list = reallocarray(names->list, room, sizeof(*list));

		if (!list)
			return;
		names->list = list;
		names->room = room;
	}
	names->list[names->count] = (struct name){ strdup(name), inode };
	names->count += names->list[names->count].name != NULL;
}

/* Removes a name: something that is mounted over a namespace hides it. */
static void names_remove(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->list[i].name, name))
			continue;
		free(names->list[i].name);
		names->list[i] = names->list[--names->count];
		return;
	}
}

static bool note_mount(void *context, const struct procfs_mount *mount)
{
	const char *name = mount->point + strlen(NAMES_FOLDER);
	uint32_t inode;

	if (strncmp(mount->point, NAMES_FOLDER, strlen(NAMES_FOLDER)) || strchr(name, '/'))
		return true;
	if (!strcmp(mount->type, "nsfs") && sscanf(mount->root, "net:[%" SCNu32, &inode) == 1)
		names_add(context, name, inode);
	else
		names_remove(context, name);
	return true;
}

void procfs_each_netns_name(const char *root, procfs_netns_name *found, void *context)
{
	struct names names = {};

	procfs_each_mount(root, note_mount, &names);
	for (size_t i = 0; i < names.count; i++)
		found(context, names.list[i].name, names.list[i].inode);
	names_free(&names);
}

struct visit_by_name {
	struct walk *walk;
	bool go_on;
};

static void visit_name(void *context, const char *name, uint32_t inode)
{
	struct visit_by_name *visit = context;
	char path[PATH_MAX];

	(void)inode;
	if (visit->go_on && snprintf(path, sizeof(path), "%s" NAMES_FOLDER "%s", visit->walk->root,
				     name) < (int)sizeof(path))
		visit->go_on = visit_path(visit->walk, name, 0, path);
}

static bool visit_names(struct walk *walk)
{
	struct visit_by_name visit = { walk, true };

	procfs_each_netns_name(walk->root, visit_name, &visit);
	return visit.go_on;
}

/* ---- Processes ------------------------------------------------------------------------------- */

static void visit_processes(struct walk *walk)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool go_on = true;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/proc", walk->root);
	dir = opendir(path);
	if (!dir) {
		walk->err = -errno;
		return;
	}
	while (go_on && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[strspn(name, "0123456789")] ||
		    snprintf(path, sizeof(path), "%s/proc/%s/ns/net", walk->root, name) >=
			    (int)sizeof(path))
			continue;
		go_on = visit_path(walk, NULL, strtoul(name, NULL, 10), path);
	}
	closedir(dir);
}

/* Visits the caller's own namespace. Returns true to go on. */
static bool visit_own(struct walk *walk)
{
	char path[PATH_MAX];
	bool go_on;
	int fd;

	snprintf(path, sizeof(path), "%s/proc/self/ns/net", walk->root);
	fd = untrusted_open_netns(path);
	if (fd < 0) {
		walk->err = fd;
		return false;
	}
	go_on = walk->visit(walk->context, NULL, 0, fd);
	close(fd);
	return go_on;
}

int procfs_each_netns(const char *root, procfs_netns_visit *visit, void *context)
{
	struct walk walk = { .root = root, .visit = visit, .context = context };

	if (visit_own(&walk) && visit_names(&walk))
		visit_processes(&walk);
	return walk.err;
}
