// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/procfs.h"

static FILE *open_under(const char *root, const char *path)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(full, "re");
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The kernel writes blank, tab, newline and backslash as \ooo. */
static void unescape_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && is_octal(s[1]) && is_octal(s[2]) && is_octal(s[3])) {
			*to++ = (s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0');
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

struct mount {
	const char *root;
	char *point;
	const char *type;
};

/* Splits a line of mountinfo, see proc(5): optional fields end with a lone hyphen. */
static bool parse_mount(char *line, struct mount *mount)
{
	char *save, *field = strtok_r(line, " \n", &save);

	for (int i = 0; field && i < 3; i++)
		field = strtok_r(NULL, " \n", &save);
	mount->root = field;
	mount->point = strtok_r(NULL, " \n", &save);
	do {
		field = strtok_r(NULL, " \n", &save);
	} while (field && strcmp(field, "-"));
	mount->type = strtok_r(NULL, " \n", &save);
	return mount->root && mount->point && mount->type;
}

int procfs_cgroup2_mount(const char *root, char *path, size_t size)
{
	FILE *file = open_under(root, "/proc/self/mountinfo");
	struct mount mount;
	char *line = NULL;
	bool whole = false;
	int err = -ENOENT;
	size_t cap = 0;

	if (!file)
		return -errno;
	while (!whole && getline(&line, &cap, file) > 0) {
		if (!parse_mount(line, &mount) || strcmp(mount.type, "cgroup2"))
			continue;
		whole = !strcmp(mount.root, "/");
		if (!whole && err != -ENOENT)
			continue;
		unescape_octal(mount.point);
		err = strlen(mount.point) < size ? 0 : -ENAMETOOLONG;
		if (!err)
			strcpy(path, mount.point);
	}
	free(line);
	fclose(file);
	return err;
}

int procfs_symbols(const char *root, const char *const names[], uint64_t addresses[], size_t count)
{
	FILE *file = open_under(root, "/proc/kallsyms");
	size_t missing = count, size = 0;
	char *line = NULL;

	if (!file)
		return -errno;
	memset(addresses, 0, count * sizeof(*addresses));
	/*
	 * "ffffffff81000000 T name [module]"; the first of several with one name is the kernel's.
	 */
	while (missing && getline(&line, &size, file) > 0) {
		char *name = strchr(line, ' ');

		if (!name || strlen(name) < 4)
			continue;
		name += 3;
		name[strcspn(name, "\t\n")] = '\0';
		for (size_t i = 0; i < count; i++) {
			if (!addresses[i] && !strcmp(name, names[i])) {
				addresses[i] = strtoull(line, NULL, 16);
				missing--;
			}
		}
	}
	free(line);
	fclose(file);
	return 0;
}

/* PROC_PID_INIT_INO, include/linux/proc_ns.h (since 3.8). */
#define PID_INIT_INODE 0xEFFFFFFC

bool procfs_pids_are_the_kernels(const char *root)
{
	char path[PATH_MAX], link[64];
	unsigned int inode;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/proc/self/ns/pid", root);
	len = readlink(path, link, sizeof(link) - 1);
	if (len < 0)
		return true;
	link[len] = 0;
	return sscanf(link, "pid:[%u]", &inode) != 1 || inode == PID_INIT_INODE;
}
