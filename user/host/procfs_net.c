// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/procfs_net.h"

char *procfs_net_setting(const char *root, const char *name)
{
	char path[PATH_MAX], *text = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *file;
	int err;

	snprintf(path, sizeof(path), "%s/proc/sys/net/ipv4/%s", root, name);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	len = getline(&text, &size, file);
	err = errno;
	fclose(file);
	if (len < 0) {
		free(text);
		errno = err;
		return NULL;
	}
	text[strcspn(text, "\n")] = '\0';
	return text;
}

struct walk {
	const char *root;
	procfs_netns_visit *visit;
	void *context;
};

static bool visit_path(const struct walk *walk, const char *name, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool go_on;

	if (fd < 0)
		return true;
	go_on = walk->visit(walk->context, name, fd);
	close(fd);
	return go_on;
}

/* What is @below each entry of @folder: a process, or, if they are @named, a namespace's name. */
static bool visit_entries(const struct walk *walk, const char *folder, const char *below,
			  bool named)
{
	char path[PATH_MAX];
	struct dirent *entry;
	bool go_on = true;
	DIR *dir;

	snprintf(path, sizeof(path), "%s%s", walk->root, folder);
	dir = opendir(path);
	if (!dir)
		return true;
	while (go_on && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] == '.' || (!named && name[strspn(name, "0123456789")]))
			continue;
		if (snprintf(path, sizeof(path), "%s%s/%s%s", walk->root, folder, name, below) >=
		    (int)sizeof(path))
			continue;
		go_on = visit_path(walk, named ? name : NULL, path);
	}
	closedir(dir);
	return go_on;
}

void procfs_each_netns(const char *root, procfs_netns_visit *visit, void *context)
{
	struct walk walk = { .root = root, .visit = visit, .context = context };
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/proc/self/ns/net", root);
	if (visit_path(&walk, NULL, path) && visit_entries(&walk, "/run/netns", "", true))
		visit_entries(&walk, "/proc", "/ns/net", false);
}
